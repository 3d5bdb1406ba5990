// A mount as the machine sees it: put there, is it still ours, its readahead, taken down. By path
// and device number, so that a mount somebody else made over the same directory is never touched.
//
// Used from one thread: libfuse mounts, and what fusermount3 says about it is caught on stderr.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "reelfs/fuse/mount.h"

namespace reelfs::fuse {

class LocalAttachment final : public Attachment {
  public:
    explicit LocalAttachment(MountOptions options) : options_(std::move(options)) {}

    Result<std::vector<Fd>> attach() override;
    void tune() override;
    /// umount(2), or fusermount3 -u for an ordinary user.
    Result<void> detach(bool lazily) override;
    void abandon(bool connection_alive) override;

  private:
    /// Is what lies at the path now still the mount this object made? Asks the kernel only, never
    /// the file system.
    bool present() const;

    const MountOptions options_;
    std::string path_;  // real; "" before attach()
    std::optional<dev_t> device_;
};

}  // namespace reelfs::fuse
