// Directories: a listing is filled straight into the reply's bytes until the next entry would not
// fit; the kernel comes back with the offset after the last one it got.
#include <cerrno>
#include <cstring>
#include <vector>

#include "fuse/ops.h"
#include "fuse/reply.h"
#include "fuse/told_nodes.h"
#include "fuse/translate.h"
#include "reelfs/model/limits.h"
#include "reelfs/model/posix_stat.h"

namespace reelfs::fuse::ops {
namespace {

/// Entries laid out as the kernel reads them.
class Listing {
  public:
    Listing(const Door& door, fuse_req_t request, NodeId directory, std::size_t size)
        : door_(door), request_(request), directory_(directory), told_(door.tree), bytes_(size) {}

    /// False when the entry does not fit any more.
    bool add(const core::Tree::Listed& listed, bool with_attributes) {
        char name[limits::name_bytes_max + 1];
        if (listed.name.size() > limits::name_bytes_max) return true;  // no kernel could show it
        std::memcpy(name, listed.name.data(), listed.name.size());
        name[listed.name.size()] = '\0';
        std::size_t needed = with_attributes ? add_plus(name, listed) : add_plain(name, listed);
        if (needed > bytes_.size() - used_) return false;
        used_ += needed;
        if (with_attributes && listed.attributes) told_.add(listed.node);
        return true;
    }

    void send(Reply& reply) && {
        told_.arrived(std::move(reply).listing(std::as_bytes(std::span(bytes_.data(), used_))));
    }
    bool empty() const { return used_ == 0; }

  private:
    struct stat brief(const core::Tree::Listed& listed) const {
        struct stat out {};
        out.st_ino = listed.name == ".." ? door_.ids.parent_ino_of(directory_, listed.node)
                                         : door_.ids.ino_of(listed.node);
        out.st_mode = type_bits(listed.type);
        return out;
    }
    std::size_t add_plain(const char* name, const core::Tree::Listed& listed) {
        struct stat attributes = brief(listed);
        return fuse_add_direntry(request_, bytes_.data() + used_, bytes_.size() - used_, name,
                                 &attributes, static_cast<off_t>(listed.next_offset));
    }
    std::size_t add_plus(const char* name, const core::Tree::Listed& listed) {
        fuse_entry_param entry{};  // ino 0: a name alone, the kernel asks later
        if (listed.attributes) {
            entry = entry_of(door_, *listed.attributes);
        } else {
            entry.attr = brief(listed);
        }
        return fuse_add_direntry_plus(request_, bytes_.data() + used_, bytes_.size() - used_, name,
                                      &entry, static_cast<off_t>(listed.next_offset));
    }

    const Door& door_;
    fuse_req_t request_;
    NodeId directory_;
    ToldNodes told_;
    std::vector<char> bytes_;
    std::size_t used_ = 0;
};

void list(Operation operation, fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
          const fuse_file_info& file) noexcept {
    answer(request, operation, [&](Door& door, Reply& reply) {
        auto directory = door.directories.find(file.fh);
        if (!directory) return std::move(reply).error_number(EBADF);
        bool with_attributes = operation == Operation::kReaddirplus;
        Listing listing(door, request, door.ids.node_of(ino),
                        std::min(size, limits::fuse_request_bytes_max));
        auto listed = door.tree.list(
            *directory, static_cast<std::uint64_t>(offset), with_attributes,
            [&](const core::Tree::Listed& entry) { return listing.add(entry, with_attributes); });
        // What was read before the failure is handed out; asking on from there tells it.
        if (!listed && listing.empty()) return std::move(reply).error(listed.error());
        std::move(listing).send(reply);
    });
}

}  // namespace

void opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept {
    answer(request, Operation::kOpendir, [&](Door& door, Reply& reply) {
        auto opened = door.tree.open_directory(door.ids.node_of(ino));
        if (!opened) return std::move(reply).error(opened.error());
        auto handle = door.directories.insert(*std::move(opened));
        if (!handle) return std::move(reply).error_number(ENFILE);
        file->fh = *handle;
        if (!std::move(reply).opened(*file)) door.directories.take(*handle);
    });
}

void readdir(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
             fuse_file_info* file) noexcept {
    list(Operation::kReaddir, request, ino, size, offset, *file);
}

void readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
                 fuse_file_info* file) noexcept {
    list(Operation::kReaddirplus, request, ino, size, offset, *file);
}

void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* file) noexcept {
    answer(request, Operation::kReleasedir, [&](Door& door, Reply& reply) {
        if (!door.directories.take(file->fh)) return std::move(reply).error_number(EBADF);
        std::move(reply).ok();
    });
}

void fsyncdir(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) noexcept {
    answer(request, Operation::kFsyncdir,
           [&](Door& door, Reply& reply) { std::move(reply).result(door.tree.sync_metadata()); });
}

}  // namespace reelfs::fuse::ops
