// A mount as the machine sees it: is it still ours, its readahead, how to take it down. By path and
// device number, so that a mount somebody else made over the same directory is never touched.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "reelfs/base/result.h"

namespace reelfs::fuse {

class MountedPath {
  public:
    /// `path` has just been mounted.
    explicit MountedPath(std::string path);

    const std::string& path() const { return path_; }
    /// Is what lies at the path now still the mount this object was made for? Asks the kernel only,
    /// never the file system.
    bool present() const;
    /// umount(2), or fusermount3 -u for an ordinary user. Fine when it is gone already. kBusy with
    /// what to do when something uses it and it is not to go lazily.
    Result<void> unmount(bool lazily) const;
    /// For a mount that nobody serves: takes it out of the namespace and fails all requests under
    /// way and to come. `connection_alive`: the device has not reported the end of the mount, so
    /// that its number is still ours even when the path is not. Best effort.
    void abandon(bool connection_alive) const;
    /// Root may let the kernel read further ahead than the 128 KiB it grants FUSE.
    void raise_readahead() const;

  private:
    std::string path_;
    std::optional<dev_t> device_;
};

}  // namespace reelfs::fuse
