// The mount: the tree as a directory of this machine, by libfuse3's low-level API.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/fd.h"
#include "reelfs/base/metrics.h"
#include "reelfs/base/result.h"
#include "reelfs/core/tree.h"

namespace reelfs::fuse {

struct MountOptions {
    std::string mountpoint;   // absolute, an existing directory
    std::string source;       // what `mount` shows as the device, e.g. the store's path
    NodeId root = kRootNode;  // a container's root with -o container=NAME
    bool read_only = false;
    bool allow_other = false;
    bool default_permissions = true;
    bool nosuid = true;
    bool nodev = true;
    bool noexec = false;
    bool acl = false;
    std::vector<std::string> other;  // further kernel options, passed on (noatime, ...)
    unsigned threads = 8;
};

/// Puts a mount into the name space and takes it out again. That takes rights which a process that
/// answers requests does better without (root's, or that of running fusermount3), so another
/// process may do it in its place.
class Attachment {
  public:
    virtual ~Attachment() = default;
    /// Mounts, and gives the device that requests come from: one descriptor, and one more for each
    /// worker. Errors say what to do: no /dev/fuse, not permitted, mountpoint
    /// missing, not empty, not a directory or busy with a dead mount.
    virtual Result<std::vector<Fd>> attach() = 0;
    /// After INIT: lets the kernel read further ahead than it grants FUSE, where root asks.
    virtual void tune() = 0;
    /// Fine when it is gone already. kBusy with what to do when something uses it and it is not to
    /// go lazily.
    virtual Result<void> detach(bool lazily) = 0;
    /// For a mount that nobody serves: takes it out of the name space and fails all requests under
    /// way and to come. `connection_alive`: the device has not reported the end of the mount, so
    /// that its number is still ours even when the path is not. Best effort.
    virtual void abandon(bool connection_alive) = 0;
};

/// With the rights of this process: mount(2) as root, else through fusermount3.
std::unique_ptr<Attachment> local_attachment(const MountOptions& options);

/// What an ordinary user has in place of umount(2): fusermount3 -u. The Error is in its own words:
/// kBusy when the mount is in use, kNotPermitted when it is not this user's or there is none.
Result<void> unmount_by_fusermount(const std::string& path, bool lazily);

class Mount {
  public:
    virtual ~Mount() = default;
    /// Blocks until the file system is unmounted (by umount, fusermount3 -u or unmount()). Answers
    /// requests on `threads` threads.
    virtual Result<void> serve() = 0;
    /// Asks the kernel to unmount; serve() then returns. Thread-safe. With `lazily`, also when it
    /// is busy.
    virtual Result<void> unmount(bool lazily) = 0;
};

/// Mounts. When this returns the tree is in the namespace, and requests are answered as soon as
/// serve() runs. Registers itself as the tree's ChangeListener.
Result<std::unique_ptr<Mount>> mount(core::Tree& tree, const Clock& clock, Metrics& metrics,
                                     const MountOptions& options,
                                     std::unique_ptr<Attachment> attachment);

}  // namespace reelfs::fuse
