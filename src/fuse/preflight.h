// Why a mount cannot work, found out before it is tried and said with what to do about it. The
// questions are asked of the machine; the sentences are made by pure functions where that is
// possible.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "reelfs/base/result.h"
#include "reelfs/fuse/mount.h"

namespace reelfs::fuse {

/// The mountpoint exists, is an empty directory, and no dead mount lies on it.
Result<void> check_mountpoint(const std::string& path);

/// What to say when opening the FUSE device failed with `error_number`.
Error device_error(int error_number, bool as_root);
/// The device can be opened, and an ordinary user has fusermount3. That program could open a device
/// of mode 0600, being set-uid root, but libfuse first tries itself and gives up when it cannot.
Result<void> check_device(bool as_root);

/// Does this fuse.conf let ordinary users pass allow_other?
bool conf_allows_other(std::string_view conf);
Result<void> check_allow_other(const MountOptions& options, bool as_root);

/// The options as one argument for libfuse; values are escaped for its parser.
std::string option_string(const MountOptions& options);

}  // namespace reelfs::fuse
