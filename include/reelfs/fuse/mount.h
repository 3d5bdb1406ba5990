// The mount: the tree as a directory of this machine, by libfuse3's low-level API.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
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
/// serve() runs. Errors say what to do: no /dev/fuse, not permitted, mountpoint missing, not empty,
/// not a directory or busy with a dead mount. Registers itself as the tree's ChangeListener.
Result<std::unique_ptr<Mount>> mount(core::Tree& tree, const Clock& clock, Metrics& metrics,
                                     const MountOptions& options);

}  // namespace reelfs::fuse
