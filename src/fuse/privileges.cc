#include "fuse/privileges.h"

#include <sys/stat.h>

namespace reelfs::fuse {

std::uint32_t without_privileges(std::uint32_t mode) {
    std::uint32_t cleared = mode & ~static_cast<std::uint32_t>(S_ISUID);
    if (mode & S_IXGRP) cleared &= ~static_cast<std::uint32_t>(S_ISGID);
    return cleared;
}

Result<void> drop_privileges(Door& door, const Caller& caller, NodeId node) {
    if (caller.uid == 0) return done();
    RF_TRY(Attributes now, door.tree.attributes(node));
    std::uint32_t mode = without_privileges(now.mode);
    if (!now.is_file() || mode == now.mode) return done();
    core::AttributeChange change;
    change.mode = mode;
    RF_TRY(now, door.tree.change(caller, node, change));
    return done();
}

}  // namespace reelfs::fuse
