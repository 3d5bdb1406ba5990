// The expiry thread: takes away what has expired, in small transactions with pauses between, so
// that a hundred thousand objects that expire in one second cost the others little. Nobody sees
// them meanwhile: a transient object is gone at its instant, whenever its row goes.
//
//     put, rename > node.expires, queue row > (instant) > nobody finds it > row, name, bytes go
//
// It also looks through containers whose day rules have changed and queues the objects they mean,
// and tells the mount of names that came under an expiry by a rename.
//
// One thread, `expiry`. It may block on the catalog and on the mount's notifier; sleeps until
// something is due.
#pragma once

#include <thread>

#include "core/lifecycle_walk.h"
#include "core/tree_impl.h"

namespace reelfs::core {

class Expirer {
  public:
    Expirer(Context& context, TreeImpl& tree);
    ~Expirer() { stop(); }

    /// What stands in the queue from before; always.
    Result<void> load();
    /// The thread.
    void start();
    void stop();

  private:
    void work();
    /// One small transaction; false when nothing more is due now.
    bool expire_some();
    bool after_failure(const Error& error);
    /// One step through a container; false when all have been looked through.
    bool walk_some();

    Context& context_;
    TreeImpl& tree_;
    // The thread's
    std::optional<LifecycleWalk> walk_;
    int rows_;  // of a transaction; one after a failure, to find the row that fails
    bool expiry_failed_ = false, walk_failed_ = false;  // and said so
    std::jthread thread_;
};

}  // namespace reelfs::core
