// Names: lookup, forget, and everything that makes, removes or moves one.
#include <linux/fs.h>

#include <cerrno>

#include "fuse/ops.h"
#include "fuse/reply.h"
#include "fuse/translate.h"

namespace reelfs::fuse::ops {
namespace {

void entry(const Door& door, Reply& reply, const Result<Attributes>& made) {
    if (!made) return std::move(reply).error(made.error());
    std::move(reply).entry(entry_of(door, *made));
}

/// The two that rename(2) may ask for, alone.
std::optional<core::RenameMode> rename_mode_of(unsigned flags) {
    switch (flags) {
        case 0:
            return core::RenameMode::kReplace;
        case RENAME_NOREPLACE:
            return core::RenameMode::kNoReplace;
        case RENAME_EXCHANGE:
            return core::RenameMode::kExchange;
        default:
            return std::nullopt;
    }
}

}  // namespace

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
    answer(request, Operation::kLookup, [&](Door& door, Reply& reply) {
        auto found = door.tree.lookup(door.ids.node_of(parent), name);
        if (found || found.error().code() != Errc::kNotFound) return entry(door, reply, found);
        // Known not to be there until somebody makes it: through this mount, or with a notice of
        // the invalidator, which waits for lookups under way.
        std::move(reply).entry(no_entry());
    });
}

// Nodes are not counted: the tree knows them by number as long as they exist, and open handles pin
// the others. FORGET has no answer.
void forget(fuse_req_t request, fuse_ino_t, std::uint64_t) noexcept {
    fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, std::size_t, fuse_forget_data*) noexcept {
    fuse_reply_none(request);
}

void readlink(fuse_req_t request, fuse_ino_t ino) noexcept {
    answer(request, Operation::kReadlink, [&](Door& door, Reply& reply) {
        auto target = door.tree.read_link(door.ids.node_of(ino));
        if (!target) return std::move(reply).error(target.error());
        std::move(reply).link_target(*target);
    });
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
           dev_t device) noexcept {
    answer(request, Operation::kMknod, [&](Door& door, Reply& reply) {
        auto type = type_of(mode);
        if (!type || *type == NodeType::kDirectory || *type == NodeType::kSymlink) {
            return std::move(reply).error_number(EINVAL);
        }
        bool is_device = *type == NodeType::kCharDevice || *type == NodeType::kBlockDevice;
        core::NewNode what{*type, mode & 07777u, is_device ? device : 0};
        entry(door, reply,
              door.tree.make_node(caller_of(request), door.ids.node_of(parent), name, what));
    });
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) noexcept {
    answer(request, Operation::kMkdir, [&](Door& door, Reply& reply) {
        entry(door, reply,
              door.tree.make_directory(caller_of(request), door.ids.node_of(parent), name,
                                       mode & 07777u));
    });
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
    answer(request, Operation::kUnlink, [&](Door& door, Reply& reply) {
        std::move(reply).result(door.tree.unlink(door.ids.node_of(parent), name));
    });
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
    answer(request, Operation::kRmdir, [&](Door& door, Reply& reply) {
        std::move(reply).result(door.tree.remove_directory(door.ids.node_of(parent), name));
    });
}

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) noexcept {
    answer(request, Operation::kSymlink, [&](Door& door, Reply& reply) {
        entry(door, reply,
              door.tree.make_symlink(caller_of(request), door.ids.node_of(parent), name, target));
    });
}

void rename(fuse_req_t request, fuse_ino_t source_parent, const char* source_name,
            fuse_ino_t target_parent, const char* target_name, unsigned flags) noexcept {
    answer(request, Operation::kRename, [&](Door& door, Reply& reply) {
        auto mode = rename_mode_of(flags);
        if (!mode) return std::move(reply).error_number(EINVAL);
        std::move(reply).result(door.tree.rename(door.ids.node_of(source_parent), source_name,
                                                 door.ids.node_of(target_parent), target_name,
                                                 *mode));
    });
}

void link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) noexcept {
    answer(request, Operation::kLink, [&](Door& door, Reply& reply) {
        entry(door, reply, door.tree.link(door.ids.node_of(ino), door.ids.node_of(parent), name));
    });
}

}  // namespace reelfs::fuse::ops
