// The simulated disk's tree, its log of directory operations, and how both look after a power cut.
// Everything in a State is under its mutex. Maps are ordered and nodes numbered, so that a crash
// image depends on the Random alone.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reelfs/base/mutex.h"
#include "support/sim_disk.h"
#include "support/sim_file.h"

namespace reelfs::test {

struct Volume {
    std::uint64_t device;
    std::uint64_t pages_total;
    std::uint64_t pages_used = 0;
};

struct Node;
using NodePtr = std::shared_ptr<Node>;
using Names = std::map<std::string, NodePtr>;

/// A file or a directory.
struct Node {
    std::uint64_t id = 0;
    bool is_directory = false;
    std::shared_ptr<Volume> volume;
    // Directories
    Names names, durable_names;
    // Files
    Image content, durable;
    std::vector<Change> log;  // from `durable` to `content`
    bool linked = true;
    std::size_t opens = 0;
};

/// One directory operation: what it set (or, with no node, removed) where.
struct DirectoryChange {
    struct Edit {
        NodePtr directory;
        std::string name;
        NodePtr node;
    };
    std::uint64_t sequence;
    std::vector<Edit> edits;
};

/// "<call> <path>: <code>"
Error error_at(Errc code, std::string_view call, const std::string& path);

/// The names in a path.
std::vector<std::string> split(const std::string& path);

using State = SimDisk::State;

struct SimDisk::State {
    mutable Mutex mutex;
    NodePtr root GUARDED_BY(mutex);
    std::vector<DirectoryChange> log GUARDED_BY(mutex);
    std::uint64_t next_node GUARDED_BY(mutex) = 1;
    std::uint64_t next_device GUARDED_BY(mutex) = 1;
    std::uint64_t sequence GUARDED_BY(mutex) = 0;
    bool thin GUARDED_BY(mutex) = false;
    std::size_t open_files GUARDED_BY(mutex) = 0;
    std::array<std::uint64_t, kDiskCalls> calls_of_kind GUARDED_BY(mutex){};
    std::uint64_t calls GUARDED_BY(mutex) = 0;
    std::shared_ptr<const Hook> hook GUARDED_BY(mutex);

    /// Counts the call and asks the hook, without the lock.
    std::optional<DiskFault> enter(CallInfo info) EXCLUDES(mutex) {
        std::shared_ptr<const Hook> asked;
        {
            MutexLock lock(mutex);
            info.nth = ++calls;
            info.nth_of_kind = ++calls_of_kind[static_cast<std::size_t>(info.kind)];
            asked = hook;
        }
        return asked && *asked ? (*asked)(info) : std::nullopt;
    }

    NodePtr make_node(bool is_directory, const std::shared_ptr<Volume>& volume) REQUIRES(mutex) {
        auto node = std::make_shared<Node>();
        node->id = next_node++;
        node->is_directory = is_directory;
        node->volume = volume;
        return node;
    }

    /// Null when a component is absent or not a directory.
    NodePtr find(const std::vector<std::string>& parts, std::size_t count) const REQUIRES(mutex) {
        NodePtr node = root;
        for (std::size_t i = 0; i < count; ++i) {
            if (!node->is_directory) return nullptr;
            auto entry = node->names.find(parts[i]);
            if (entry == node->names.end()) return nullptr;
            node = entry->second;
        }
        return node;
    }

    /// The directory a path is in, and the path's last name.
    struct Place {
        NodePtr directory;
        std::string name;
        NodePtr node;  // null when absent
    };
    Result<Place> place(std::string_view call, const std::string& path) const REQUIRES(mutex) {
        const auto parts = split(path);
        if (parts.empty() || path.front() != '/') return error_at(Errc::kInvalid, call, path);
        NodePtr directory = find(parts, parts.size() - 1);
        if (!directory) return error_at(Errc::kNotFound, call, path);
        if (!directory->is_directory) return error_at(Errc::kNotDirectory, call, path);
        auto entry = directory->names.find(parts.back());
        return Place{directory, parts.back(),
                     entry == directory->names.end() ? nullptr : entry->second};
    }
    Result<NodePtr> directory_at(std::string_view call, const std::string& path) const
        REQUIRES(mutex) {
        const auto parts = split(path);
        NodePtr node = find(parts, parts.size());
        if (!node) return error_at(Errc::kNotFound, call, path);
        if (!node->is_directory) return error_at(Errc::kNotDirectory, call, path);
        return node;
    }

    void set_names(std::vector<DirectoryChange::Edit> edits) REQUIRES(mutex) {
        for (const auto& edit : edits) apply(edit.directory->names, edit);
        log.push_back({++sequence, std::move(edits)});
    }
    static void apply(Names& names, const DirectoryChange::Edit& edit) {
        if (edit.node)
            names[edit.name] = edit.node;
        else
            names.erase(edit.name);
    }

    /// The room of a file that has neither name nor handle comes back.
    void release_if_gone(Node& node) REQUIRES(mutex) {
        if (!node.is_directory && !node.linked && node.opens == 0)
            node.volume->pages_used -= std::exchange(node.content, Image()).page_count();
    }
    void unlink(Node& node) REQUIRES(mutex) {
        node.linked = false;
        release_if_gone(node);
    }

    void change(Node& node, Change what) REQUIRES(mutex) {
        what.sequence = ++sequence;
        node.volume->pages_used -= node.content.page_count();
        node.content.apply(what);
        node.volume->pages_used += node.content.page_count();
        node.log.push_back(std::move(what));
    }
    bool has_room(const Node& node, std::uint64_t offset, std::uint64_t length) const
        REQUIRES(mutex) {
        return node.volume->pages_used + node.content.pages_missing(offset, length) <=
               node.volume->pages_total;
    }

    /// After the process died; after a power cut.
    std::shared_ptr<State> killed() const EXCLUDES(mutex);
    std::shared_ptr<State> crashed(Crash choice, Random& random) const EXCLUDES(mutex);
    std::shared_ptr<State> crashed(const Cut& cut) const EXCLUDES(mutex);
    std::vector<Pending> pending() const EXCLUDES(mutex);

  private:
    using Kept = std::map<const Node*, Names>;
    std::vector<const Node*> reachable() const REQUIRES(mutex);
    template <class MakeImage>
    std::shared_ptr<State> crashed_with(const Kept& kept, const MakeImage& image) const
        REQUIRES(mutex);
    Kept names_after_cut(const Cut& cut) const REQUIRES(mutex);
    std::uint64_t moment(Random& random) const REQUIRES(mutex);
    Kept names_after_crash(Crash choice, std::uint64_t moment, Random& random) const
        REQUIRES(mutex);
};

}  // namespace reelfs::test
