// Attributes of nodes and of the whole: getattr, setattr, access, statfs.
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "fuse/ops.h"
#include "fuse/reply.h"
#include "fuse/translate.h"
#include "reelfs/model/limits.h"

namespace reelfs::fuse::ops {
namespace {

/// What statfs counts in.
constexpr std::uint64_t kSpaceUnitBytes = 4096;

void attributes(const Door& door, Reply& reply, const Result<Attributes>& found) {
    if (!found) return std::move(reply).error(found.error());
    std::move(reply).attributes(stat_of(door.ids, *found), cache_seconds(*found, door.clock));
}

/// access(2) by mode bits, as the kernel would with default_permissions.
bool may(fuse_req_t request, const Attributes& node, int mask) {
    std::uint32_t uid = fuse_req_ctx(request)->uid;
    bool executable = (node.mode & 0111u) != 0 || node.is_directory();
    if (uid == 0) return (mask & X_OK) == 0 || executable;
    std::uint32_t granted = node.mode & 7u;
    if (uid == node.uid) {
        granted = node.mode >> 6 & 7u;
    } else if (in_group(request, node.gid)) {
        granted = node.mode >> 3 & 7u;
    }
    return (static_cast<std::uint32_t>(mask) & 7u & ~granted) == 0;
}

}  // namespace

void getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) noexcept {
    answer(request, Operation::kGetattr, [&](Door& door, Reply& reply) {
        attributes(door, reply, door.tree.attributes(door.ids.node_of(ino)));
    });
}

void setattr(fuse_req_t request, fuse_ino_t ino, struct stat* wanted, int to_set,
             fuse_file_info* file) noexcept {
    answer(request, Operation::kSetattr, [&](Door& door, Reply& reply) {
        if (file && !door.files.find(file->fh)) return std::move(reply).error_number(EBADF);
        NodeId node = door.ids.node_of(ino);
        Caller caller = caller_of(request);
        attributes(door, reply, door.tree.change(caller, node, change_of(*wanted, to_set)));
    });
}

void access(fuse_req_t request, fuse_ino_t ino, int mask) noexcept {
    answer(request, Operation::kAccess, [&](Door& door, Reply& reply) {
        auto found = door.tree.attributes(door.ids.node_of(ino));
        if (!found) return std::move(reply).error(found.error());
        if (!may(request, *found, mask)) return std::move(reply).error_number(EACCES);
        std::move(reply).ok();
    });
}

void statfs(fuse_req_t request, fuse_ino_t ino) noexcept {
    answer(request, Operation::kStatfs, [&](Door& door, Reply& reply) {
        auto space = door.tree.space(door.ids.node_of(ino));
        if (!space) return std::move(reply).error(space.error());
        struct statvfs out {};
        out.f_bsize = out.f_frsize = kSpaceUnitBytes;
        out.f_blocks = space->total_bytes / kSpaceUnitBytes;
        out.f_bfree = out.f_bavail = space->free_bytes / kSpaceUnitBytes;
        // Nodes are rows and end with the space, not before it, unless a quota says so.
        out.f_ffree = out.f_favail = space->free_nodes.value_or(out.f_bfree);
        out.f_files = space->nodes + out.f_ffree;
        out.f_namemax = limits::name_bytes_max;
        std::move(reply).space(out);
    });
}

}  // namespace reelfs::fuse::ops
