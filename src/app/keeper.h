// The keeper: a small process that keeps the rights which the daemon gives up, for the few things
// that take them. The daemon may be root no longer, and may start nothing set-uid; the keeper
// mounts and unmounts, binds the ports, opens certificate, key and log files, and makes the control
// socket where its folder is root's.
//
//     daemon --fork--> keeper      before the daemon opens anything; it reads no store, no key, no
//       |                |         network; it ends when the daemon's end of the socket closes
//       |--- order ----->|         "detach", "open the log" ...: never a path or an address
//       |<-- answer -----|         done or an error, and a descriptor where one was asked for
//
// A daemon that is killed while its notifier waits in the kernel, for the lock of a folder that a
// client holds who waits for the daemon, cannot end, and holds the mount open. The keeper notices
// and ends the mount.
//
// What an order is about was settled before the fork (KeeperDuties), so that whoever takes over the
// daemon can have done again what was to be done anyway, and nothing else. As root the keeper has
// the four capabilities it needs and no others.
//
// Threads: orders are given by any thread, one after another.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/privileges.h"
#include "reelfs/base/fd.h"
#include "reelfs/base/mutex.h"
#include "reelfs/fuse/mount.h"
#include "reelfs/http/server.h"

namespace reelfs::app {

struct KeeperDuties {
    std::optional<fuse::MountOptions> mount;
    std::vector<http::Endpoint> endpoints;  // to bind
    std::vector<std::string> read;          // files to open for reading
    std::vector<std::string> append;        // logs to open for appending; made if absent
    std::string control_socket;             // or ""
    Identity owner;                         // whose the control socket is
};

class LifeSign;

class Keeper {
  public:
    /// Forks. `forget` is run in the keeper, to wipe what it has no use for. Call before any thread
    /// is made, in the one that lives as long as the daemon, and destroy it there.
    static Result<std::unique_ptr<Keeper>> start(KeeperDuties duties,
                                                 const std::function<void()>& forget);
    /// Lets it end, and waits for that.
    ~Keeper();

    /// The mount of the duties; uses the keeper, which outlives it.
    std::unique_ptr<fuse::Attachment> attachment();
    /// Each kInvalid for what is not among the duties.
    Result<Fd> bind(const http::Endpoint& endpoint);
    Result<std::string> read(const std::string& path);
    Result<Fd> open_log(const std::string& path);
    Result<Fd> control_socket();
    void remove_control_socket();

    enum class Order : std::uint32_t {
        kAttach,
        kTune,
        kDetach,
        kDetachLazily,
        kAbandon,
        kAbandonAlive,
        kBind,
        kRead,
        kAppend,
        kControlSocket,
        kRemoveControlSocket,
    };
    /// Has it carried out; `which` is an index into the list concerned. The descriptors, if any.
    Result<std::vector<Fd>> ask(Order order, std::size_t which = 0) EXCLUDES(mutex_);

  private:
    Result<Fd> ask_for_one(Order order, std::size_t which = 0);
    Keeper(KeeperDuties duties, std::unique_ptr<LifeSign> life_sign, Fd socket, int pid);

    const KeeperDuties duties_;
    const std::unique_ptr<LifeSign> life_sign_;
    const int pid_;
    Mutex mutex_;
    Fd socket_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::app
