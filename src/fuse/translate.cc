#include "fuse/translate.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <vector>

#include "fuse/request_flags.h"
#include "reelfs/model/posix_stat.h"

namespace reelfs::fuse {

struct stat stat_of(const NodeIds& ids, const Attributes& attributes) {
    struct stat out {};
    out.st_ino = ids.ino_of(attributes.node);
    out.st_mode = type_bits(attributes.type) | (attributes.mode & 07777u);
    out.st_nlink = attributes.links;
    out.st_uid = attributes.uid;
    out.st_gid = attributes.gid;
    out.st_rdev = attributes.device;
    out.st_size = static_cast<off_t>(attributes.size);
    out.st_blocks = static_cast<blkcnt_t>(attributes.allocated_bytes / 512);
    out.st_blksize = attributes.is_directory() ? kDirectoryBlockBytes : kFileBlockBytes;
    out.st_atim = timespec_of(attributes.accessed);
    out.st_mtim = timespec_of(attributes.modified);
    out.st_ctim = timespec_of(attributes.changed);
    return out;
}

double cache_seconds(const Attributes& attributes, const Clock& clock) {
    if (attributes.grows_elsewhere) return 0;
    if (!attributes.expires) return kCacheSeconds;
    double left = static_cast<double>(attributes.expires->ns) / 1e9 -
                  static_cast<double>(clock.now().ns) / 1e9;
    // The kernel counts in ticks of its own and rounds up: a little less than is left.
    return std::clamp(left - kTickSeconds, 0.0, kCacheSeconds);
}

fuse_entry_param entry_of(const Door& door, const Attributes& attributes) {
    fuse_entry_param entry{};
    entry.ino = door.ids.ino_of(attributes.node);
    entry.generation = attributes.generation;
    entry.attr = stat_of(door.ids, attributes);
    entry.attr_timeout = entry.entry_timeout = cache_seconds(attributes, door.clock);
    return entry;
}

fuse_entry_param no_entry() {
    fuse_entry_param entry{};
    entry.entry_timeout = kCacheSeconds;
    return entry;
}

core::OpenFlags open_flags_of(int flags) {
    core::OpenFlags out;
    int access = flags & O_ACCMODE;
    out.read = access == O_RDONLY || access == O_RDWR;
    out.write = access == O_WRONLY || access == O_RDWR;
    out.append = (flags & O_APPEND) != 0;
    out.truncate = (flags & O_TRUNC) != 0;
    out.sync = (flags & (O_SYNC | O_DSYNC)) != 0;
    return out;
}

core::AttributeChange change_of(const struct stat& wanted, int to_set) {
    core::AttributeChange change;
    if (to_set & FUSE_SET_ATTR_MODE) change.mode = wanted.st_mode & 07777u;
    if (to_set & FUSE_SET_ATTR_UID) change.uid = wanted.st_uid;
    if (to_set & FUSE_SET_ATTR_GID) change.gid = wanted.st_gid;
    if (to_set & FUSE_SET_ATTR_SIZE) change.size = static_cast<std::uint64_t>(wanted.st_size);
    if (to_set & FUSE_SET_ATTR_ATIME_NOW) {
        change.accessed_now = true;
    } else if (to_set & FUSE_SET_ATTR_ATIME) {
        change.accessed = timestamp_of(wanted.st_atim);
    }
    if (to_set & FUSE_SET_ATTR_MTIME_NOW) {
        change.modified_now = true;
    } else if (to_set & FUSE_SET_ATTR_MTIME) {
        change.modified = timestamp_of(wanted.st_mtim);
    }
    return change;
}

Caller caller_of(fuse_req_t request) {
    const fuse_ctx* context = fuse_req_ctx(request);
    Caller caller;
    caller.uid = context->uid;
    caller.gid = context->gid;
    caller.pid = static_cast<std::uint32_t>(context->pid);
    caller.umask = static_cast<std::uint32_t>(context->umask);
    const bool told = (door_of(request).init.agreed() & init_flags::kHandleKillprivV2) != 0;
    const auto drops = told ? noted_request_drops_privileges() : std::nullopt;
    caller.drops_privileges = drops.value_or(caller.uid != 0);
    caller.has_group = [request](std::uint32_t group) { return in_group(request, group); };
    return caller;
}

bool in_group(fuse_req_t request, std::uint32_t gid) {
    if (fuse_req_ctx(request)->gid == gid) return true;
    std::array<gid_t, 64> some{};
    int known = fuse_req_getgroups(request, static_cast<int>(some.size()), some.data());
    if (known <= static_cast<int>(some.size())) {
        auto end = some.begin() + std::max(known, 0);
        return std::find(some.begin(), end, gid) != end;
    }
    std::vector<gid_t> all(static_cast<std::size_t>(known));
    known = fuse_req_getgroups(request, static_cast<int>(all.size()), all.data());
    auto end = all.begin() + std::clamp(known, 0, static_cast<int>(all.size()));
    return std::find(all.begin(), end, gid) != end;
}

}  // namespace reelfs::fuse
