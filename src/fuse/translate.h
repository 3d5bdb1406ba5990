// Values between the tree and the kernel: attributes, timeouts, flags, callers. Pure but for what
// is said otherwise.
#pragma once

#include <sys/stat.h>

#include "fuse/door.h"
#include "fuse/libfuse.h"
#include "reelfs/core/tree.h"
#include "reelfs/model/attributes.h"

namespace reelfs::fuse {

/// How long the kernel may keep names and attributes unasked. Long, because every change from
/// another door is announced (invalidator.h).
inline constexpr double kCacheSeconds = 3600;
/// How much later than told the kernel may ask again.
inline constexpr double kTickSeconds = 0.02;

/// st_blksize of files: `cp` and friends then write whole requests.
inline constexpr std::uint32_t kFileBlockBytes = 1u << 20;
/// ... and of directories, from which the C library sizes the buffer of readdir(3).
inline constexpr std::uint32_t kDirectoryBlockBytes = 1u << 16;

struct stat stat_of(const NodeIds& ids, const Attributes& attributes);
/// kCacheSeconds, but never beyond the node's expiry; 0 while it grows through HTTP.
double cache_seconds(const Attributes& attributes, const Clock& clock);
fuse_entry_param entry_of(const Door& door, const Attributes& attributes);
/// Says for certain that a name is not there.
fuse_entry_param no_entry();

core::OpenFlags open_flags_of(int flags);
core::AttributeChange change_of(const struct stat& wanted, int to_set);
/// Whether it drops privileges: as the kernel says where it does, else all but root do.
Caller caller_of(fuse_req_t request);
/// Is `gid` the caller's group or one of its supplementary groups? Reads a file of /proc for those.
bool in_group(fuse_req_t request, std::uint32_t gid);

}  // namespace reelfs::fuse
