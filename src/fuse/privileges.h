// suid and sgid when an ordinary user changes content. With HANDLE_KILLPRIV_V2 (init_patch.h) we
// promised the kernel to take them away ourselves. The tree does so where it is told who writes;
// what is here covers the changes it hears of without a caller, or treats as none: O_TRUNC,
// truncate and fallocate.
#pragma once

#include <cstdint>

#include "fuse/door.h"
#include "reelfs/base/result.h"
#include "reelfs/model/caller.h"

namespace reelfs::fuse {

/// `mode` without suid, and without sgid where the group may execute.
std::uint32_t without_privileges(std::uint32_t mode);

/// Before `caller` changes the content of `node`. Root keeps them, as with other file systems.
Result<void> drop_privileges(Door& door, const Caller& caller, NodeId node);

}  // namespace reelfs::fuse
