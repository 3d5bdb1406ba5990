// The mount's life: libfuse session, mount, INIT, serving, unmount, cleaning up.
//
//   mount()   mounts, exchanges INIT in the calling thread, tunes                state: mounted
//   serve()   libfuse's worker threads, until the kernel says the mount is gone  state: served
//   ~Session  takes the mount down if it is still there, stops the invalidator, closes the device,
//             gives what the kernel never released back to the tree
//
// INIT is exchanged in mount() so that what it can fail with is mount()'s error. The session itself
// needs no rights: what does is the Attachment's.
#pragma once

#include <memory>
#include <string>

#include "fuse/door.h"
#include "fuse/invalidator.h"
#include "fuse/libfuse.h"
#include "reelfs/fuse/mount.h"

namespace reelfs::fuse {

class Session final : public Mount {
  public:
    static Result<std::unique_ptr<Session>> start(core::Tree& tree, const Clock& clock,
                                                  Metrics& metrics, const MountOptions& options,
                                                  std::unique_ptr<Attachment> attachment);
    ~Session() override;

    Result<void> serve() override;
    Result<void> unmount(bool lazily) override;

    Invalidator& invalidator() { return *invalidator_; }
    /// INIT flags agreed with the kernel.
    std::uint64_t agreed_flags() const { return door_.init.agreed(); }

  private:
    class Notifier final : public KernelCache {
      public:
        explicit Notifier(fuse_session* session) : session_(session) {}
        void forget_name(std::uint64_t parent_ino, const std::string& name) override;
        void forget_node(std::uint64_t ino) override;

      private:
        fuse_session* session_;
    };
    struct Destroy {
        void operator()(fuse_session* session) const { fuse_session_destroy(session); }
    };

    Session(core::Tree& tree, const Clock& clock, Metrics& metrics, const MountOptions& options,
            std::unique_ptr<Attachment> attachment);
    Result<void> open(const MountOptions& options);
    Result<void> exchange_init();
    void end_serving() EXCLUDES(serving_mutex_);

    // Constant after start(); the door and the invalidator have locks of their own.
    Door door_;
    const unsigned threads_;
    std::unique_ptr<fuse_session, Destroy> session_;
    const std::unique_ptr<Attachment> attachment_;
    const std::string mountpoint_;
    bool attached_ = false;
    std::optional<Notifier> notifier_;
    std::optional<Invalidator> invalidator_;

    Mutex serving_mutex_;
    CondVar served_;
    std::optional<pthread_t> serving_ GUARDED_BY(serving_mutex_);  // the thread in serve()
};

}  // namespace reelfs::fuse
