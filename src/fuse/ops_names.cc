// Names: lookup, forget, and everything that makes, removes or moves one.
#include <linux/fs.h>

#include <cerrno>
#include <exception>
#include <span>

#include "fuse/ops.h"
#include "fuse/reply.h"
#include "fuse/told_nodes.h"
#include "fuse/translate.h"
#include "reelfs/model/posix_stat.h"

namespace reelfs::fuse::ops {
namespace {

void tell(const Door& door, Reply& reply, const Attributes& node, ToldNodes& told) {
    told.arrived(std::move(reply).entry(entry_of(door, node)));
}

void entry(const Door& door, Reply& reply, const Result<Attributes>& made) {
    if (!made) return std::move(reply).error(made.error());
    ToldNodes told(door.tree);
    told.add(made->node);
    tell(door, reply, *made, told);
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
        auto found = door.tree.lookup_and_remember(door.ids.node_of(parent), name);
        if (found) {
            ToldNodes told(door.tree);
            told.add_remembered(found->node);
            return tell(door, reply, *found, told);
        }
        if (found.error().code() != Errc::kNotFound) {
            return std::move(reply).error(found.error());
        }
        // Known not to be there until somebody makes it: through this mount, or with a notice of
        // the invalidator, which waits for lookups under way.
        (void)std::move(reply).entry(no_entry());
    });
}

// FORGET has no answer.
void forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) noexcept {
    fuse_forget_data one{ino, lookups};
    forget_multi(request, 1, &one);
}

void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* nodes) noexcept {
    Door& door = door_of(request);
    const std::int64_t started_ns = door.clock.monotonic_ns();
    bool forgotten = true;
    for (const auto& [ino, lookups] : std::span(nodes, count)) {
        try {
            door.tree.forget(door.ids.node_of(ino), lookups);
        } catch (const std::exception& thrown) {
            forgotten = false;
            log_failure(Operation::kForget, thrown.what());
        }
    }
    door.meters.of(Operation::kForget).record(door.clock.monotonic_ns() - started_ns, 0, forgotten);
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
