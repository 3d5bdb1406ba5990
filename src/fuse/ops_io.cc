// Content: open to release, read, write, and the calls on ranges. Write-through: a WRITE carries
// the offset at which the kernel wants it (O_APPEND is resolved there, under the inode's lock).
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fuse/ops.h"
#include "fuse/reply.h"
#include "fuse/told_nodes.h"
#include "fuse/translate.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::fuse::ops {
namespace {

/// The protocol's answer to copy_file_range has 32 bits; whole pages of them.
constexpr std::size_t kCopyBytesMax = 0xffff'f000u;

/// A worker's own buffer for reads, made on its first one and as large as the kernel ever asks for.
MutableBytes read_buffer(std::size_t size) {
    thread_local Buffer buffer(limits::fuse_request_bytes_max);
    if (buffer.size() < size) buffer = Buffer(size);
    return buffer.span().first(size);
}

/// Gives a handle of the kernel's back to the tree, which must not throw through us.
void give_back(Door& door, std::uint64_t handle) {
    if (auto file = door.files.take(handle)) door.tree.release(std::move(file));
}

/// Puts `opened` into the table and fills in what the kernel is told about it. False when the table
/// is full; `opened` has been given back then.
bool keep(Door& door, std::shared_ptr<core::OpenFile> opened, fuse_file_info& file) {
    const bool growing = door.tree.grows_elsewhere(*opened);
    auto handle = door.files.insert(opened);
    if (!handle) {
        door.tree.release(std::move(opened));
        return false;
    }
    file.fh = *handle;
    // What grows through HTTP bypasses the kernel's cache: it would show zeros, or too little, past
    // the size it knew.
    file.direct_io = growing ? 1 : 0;
    file.keep_cache = growing ? 0 : 1;
    // A handle that cannot write has nothing to hear at close(2): one request less.
    file.noflush = (file.flags & O_ACCMODE) == O_RDONLY;
    return true;
}

std::optional<core::AllocateMode> allocate_mode_of(int mode) {
    switch (mode) {
        case 0:
            return core::AllocateMode::kAllocate;
        case FALLOC_FL_KEEP_SIZE:
            return core::AllocateMode::kKeepSize;
        case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
            return core::AllocateMode::kPunchHole;
        case FALLOC_FL_ZERO_RANGE:
            return core::AllocateMode::kZeroRange;
        case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
            return core::AllocateMode::kZeroRangeKeepSize;
        default:
            return std::nullopt;
    }
}

}  // namespace

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* file) noexcept {
    answer(request, Operation::kCreate, [&](Door& door, Reply& reply) {
        auto made = door.tree.create(caller_of(request), door.ids.node_of(parent), name,
                                     mode & 07777u, open_flags_of(file->flags));
        if (!made) {
            // Somebody else made it since the kernel looked. ESTALE lets the kernel look again and,
            // without O_EXCL, open what is there with the permission checks that takes.
            bool retry = made.error().code() == Errc::kExists && (file->flags & O_EXCL) == 0;
            if (retry) return std::move(reply).error_number(ESTALE);
            return std::move(reply).error(made.error());
        }
        fuse_entry_param entry = entry_of(door, made->attributes);
        ToldNodes told(door.tree);
        told.add(made->attributes.node);
        if (!keep(door, std::move(made->file), *file)) {
            return std::move(reply).error_number(ENFILE);
        }
        const bool arrived = std::move(reply).created(entry, *file);
        told.arrived(arrived);
        if (!arrived) give_back(door, file->fh);
    });
}

void open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept {
    answer(request, Operation::kOpen, [&](Door& door, Reply& reply) {
        core::OpenFlags flags = open_flags_of(file->flags);
        const NodeId node = door.ids.node_of(ino);
        flags.drops_privileges = flags.truncate && caller_of(request).drops_privileges;
        if (flags.drops_privileges) {
            auto now = door.tree.attributes(node);
            if (!now) return std::move(reply).error(now.error());
            flags.by_group_member = (now->mode & S_ISGID) != 0 && in_group(request, now->gid);
        }
        auto opened = door.tree.open(node, flags);
        if (!opened) return std::move(reply).error(opened.error());
        if (!keep(door, *std::move(opened), *file)) return std::move(reply).error_number(ENFILE);
        if (!std::move(reply).opened(*file)) give_back(door, file->fh);
    });
}

void read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset,
          fuse_file_info* file) noexcept {
    answer(request, Operation::kRead, [&](Door& door, Reply& reply) {
        auto opened = door.files.find(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        MutableBytes buffer = read_buffer(size);
        auto got = door.tree.read(*opened, static_cast<std::uint64_t>(offset), buffer);
        if (!got) return std::move(reply).error(got.error());
        std::move(reply).read(buffer.first(*got));
    });
}

void write(fuse_req_t request, fuse_ino_t, const char* bytes, std::size_t size, off_t offset,
           fuse_file_info* file) noexcept {
    answer(request, Operation::kWrite, [&](Door& door, Reply& reply) {
        auto opened = door.files.find(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        // Pages of a shared mapping are written back by the kernel itself, for nobody: the ids in
        // the request mean nothing then, and suid stays, as it does on other file systems.
        Caller caller = file->writepage ? Caller{} : caller_of(request);
        auto written = door.tree.write(caller, *opened, static_cast<std::uint64_t>(offset),
                                       bytes_of({bytes, size}));
        if (!written) return std::move(reply).error(written.error());
        std::move(reply).written(size);
    });
}

void flush(fuse_req_t request, fuse_ino_t, fuse_file_info* file) noexcept {
    answer(request, Operation::kFlush, [&](Door& door, Reply& reply) {
        auto opened = door.files.find(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        std::move(reply).result(door.tree.flush(*opened));
    });
}

void fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info* file) noexcept {
    answer(request, Operation::kFsync, [&](Door& door, Reply& reply) {
        auto opened = door.files.find(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        std::move(reply).result(door.tree.fsync(*opened));
    });
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* file) noexcept {
    answer(request, Operation::kRelease, [&](Door& door, Reply& reply) {
        auto opened = door.files.take(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        door.tree.release(std::move(opened));
        std::move(reply).ok();
    });
}

void fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
               fuse_file_info* file) noexcept {
    answer(request, Operation::kFallocate, [&](Door& door, Reply& reply) {
        auto opened = door.files.find(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        auto how = allocate_mode_of(mode);
        if (!how) return std::move(reply).error_number(EOPNOTSUPP);
        if (offset < 0 || length <= 0) return std::move(reply).error_number(EINVAL);
        std::move(reply).result(door.tree.allocate(caller_of(request), *opened, *how,
                                                   static_cast<std::uint64_t>(offset),
                                                   static_cast<std::uint64_t>(length)));
    });
}

void lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence,
           fuse_file_info* file) noexcept {
    answer(request, Operation::kLseek, [&](Door& door, Reply& reply) {
        auto opened = door.files.find(file->fh);
        if (!opened) return std::move(reply).error_number(EBADF);
        if (whence != SEEK_DATA && whence != SEEK_HOLE) {
            return std::move(reply).error_number(EINVAL);
        }
        if (offset < 0) return std::move(reply).error_number(ENXIO);
        auto what = whence == SEEK_DATA ? core::SeekTo::kData : core::SeekTo::kHole;
        auto found = door.tree.seek(*opened, what, static_cast<std::uint64_t>(offset));
        if (!found) return std::move(reply).error(found.error());
        std::move(reply).offset(*found);
    });
}

void copy_file_range(fuse_req_t request, fuse_ino_t, off_t source_offset,
                     fuse_file_info* source_file, fuse_ino_t, off_t target_offset,
                     fuse_file_info* target_file, std::size_t length, int flags) noexcept {
    answer(request, Operation::kCopyFileRange, [&](Door& door, Reply& reply) {
        if (flags != 0) return std::move(reply).error_number(EINVAL);
        auto source = door.files.find(source_file->fh);
        auto target = door.files.find(target_file->fh);
        if (!source || !target) return std::move(reply).error_number(EBADF);
        auto copied = door.tree.copy_range(
            caller_of(request), *source, static_cast<std::uint64_t>(source_offset), *target,
            static_cast<std::uint64_t>(target_offset), std::min(length, kCopyBytesMax));
        if (!copied) return std::move(reply).error(copied.error());
        std::move(reply).written(*copied);
    });
}

}  // namespace reelfs::fuse::ops
