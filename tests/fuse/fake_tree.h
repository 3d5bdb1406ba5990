// A small tree in memory, enough of core::Tree to put a mount over: one lock, bytes in strings, no
// durability. Handles are its own structs behind core's opaque types, so that nothing here depends
// on how core defines them.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/unsupported_tree.h"
#include "reelfs/base/mutex.h"

namespace reelfs::fuse::test {

class FakeTree final : public reelfs::test::UnsupportedTree {
    struct Node {
        Attributes attributes;
        std::string bytes;  // content, or a link's target
        std::map<std::string, NodeId, std::less<>> entries;
        std::map<std::string, std::string, std::less<>> xattrs;
        NodeId parent;
        int opened = 0;
    };
    struct Handle {
        std::shared_ptr<Node> node;
    };

  public:
    explicit FakeTree(NodeId root = kRootNode) : root_(root) {
        MutexLock lock(mutex_);
        add(kRootNode, kRootNode, NodeType::kDirectory, 0755, {});
        if (root != kRootNode) add(root, kRootNode, NodeType::kDirectory, 0755, {});
        next_ = 1000;
    }

    // What tests turn and look at.
    std::atomic<int> open_files{0};  // opened or created, and not released yet
    std::atomic<int> lookups{0};
    std::atomic<bool> throw_on_read_link{false};
    std::atomic<bool> fail_reads{false};
    std::atomic<core::ChangeListener*> listener{nullptr};

    Caller last_writer() {
        MutexLock lock(mutex_);
        return last_writer_;
    }
    std::uint32_t last_umask() {
        MutexLock lock(mutex_);
        return last_umask_;
    }
    core::OpenFlags last_flags() {
        MutexLock lock(mutex_);
        return last_flags_;
    }
    /// How often each node was remembered and not forgotten again; less than 0 is a mistake.
    std::map<NodeId, std::int64_t> known() {
        MutexLock lock(known_mutex_);
        return known_;
    }
    /// The same, when nothing is known any more, or after ten seconds.
    std::map<NodeId, std::int64_t> known_in_the_end() {
        MutexLock lock(known_mutex_);
        while (!known_.empty() && forgotten_.wait_for(known_mutex_, std::chrono::seconds(10))) {
        }
        return known_;
    }
    NodeId node_at(std::string_view name) {
        MutexLock lock(mutex_);
        return nodes_.at(root_)->entries.find(name)->second;
    }
    /// Replaces a file's bytes, as another door would; the caller announces it.
    void overwrite(NodeId node, std::string_view text) {
        MutexLock lock(mutex_);
        nodes_.at(node)->bytes = text;
        nodes_.at(node)->attributes.size = text.size();
    }
    /// Renames in the root, as another door would; the caller announces it.
    void move_entry(std::string_view source, std::string_view target) {
        MutexLock lock(mutex_);
        auto& entries = nodes_.at(root_)->entries;
        auto found = entries.find(source);
        NodeId node = found->second;
        entries.erase(found);
        entries.insert_or_assign(std::string(target), node);
    }
    void set_expiry(std::string_view name, Timestamp when) {
        MutexLock lock(mutex_);
        nodes_.at(nodes_.at(root_)->entries.find(name)->second)->attributes.expires = when;
    }

    /// From now on lookups of names that begin with "meet" wait until `count` of them are inside at
    /// once, at most ten seconds; then that many have met.
    void meet(int count) {
        MutexLock lock(mutex_);
        expected_ = count;
    }
    bool met() {
        MutexLock lock(mutex_);
        return expected_ > 0 && meeting_ >= expected_;
    }

    // Names
    Result<Attributes> lookup(NodeId parent, std::string_view name) override {
        lookups.fetch_add(1);
        MutexLock lock(mutex_);
        if (name.starts_with("meet")) {
            ++meeting_;
            met_.notify_all();
            while (meeting_ < expected_) {
                if (!met_.wait_for(mutex_, std::chrono::seconds(10))) break;
            }
        }
        RF_TRY(Node * directory, directory_at(parent));
        auto found = directory->entries.find(name);
        if (found == directory->entries.end()) return absent();
        return nodes_.at(found->second)->attributes;
    }
    Result<Attributes> lookup_and_remember(NodeId parent, std::string_view name) override {
        RF_TRY(Attributes found, lookup(parent, name));
        remember(found.node);
        return found;
    }
    void remember(NodeId node) override {
        MutexLock lock(known_mutex_);
        ++known_[node];
    }
    void forget(NodeId node, std::uint64_t times) override {
        MutexLock lock(known_mutex_);
        known_[node] -= static_cast<std::int64_t>(times);
        if (known_[node] == 0) known_.erase(node);
        forgotten_.notify_all();
    }
    void forget_all() override {
        MutexLock lock(known_mutex_);
        known_.clear();
        forgotten_.notify_all();
    }
    Result<Attributes> attributes(NodeId node) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        return found->attributes;
    }
    Result<NodeId> parent_of(NodeId directory) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, directory_at(directory));
        return found->parent;
    }
    Result<Attributes> resolve(NodeId from, const Components& path) override {
        RF_TRY(Attributes now, attributes(from));
        for (const std::string& name : path) {
            RF_TRY(now, lookup(now.node, name));
        }
        return now;
    }
    Result<Attributes> make_directory(const Caller& caller, NodeId parent, std::string_view name,
                                      std::uint32_t mode) override {
        return make(caller, parent, name, NodeType::kDirectory, mode, 0, "");
    }
    Result<Attributes> make_node(const Caller& caller, NodeId parent, std::string_view name,
                                 const core::NewNode& what) override {
        return make(caller, parent, name, what.type, what.mode, what.device, "");
    }
    Result<Attributes> make_symlink(const Caller& caller, NodeId parent, std::string_view name,
                                    std::string_view target) override {
        return make(caller, parent, name, NodeType::kSymlink, 0777, 0, target);
    }
    Result<core::Created> create(const Caller& caller, NodeId parent, std::string_view name,
                                 std::uint32_t mode, core::OpenFlags flags) override {
        RF_TRY(Attributes made, make(caller, parent, name, NodeType::kFile, mode, 0, ""));
        RF_TRY(auto file, open(made.node, flags));
        return core::Created{made, file};
    }
    Result<Attributes> link(NodeId node, NodeId parent, std::string_view name) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * source, at(node));
        RF_TRY(Node * directory, directory_at(parent));
        if (!directory->entries.emplace(name, node).second) return taken();
        ++source->attributes.links;
        return source->attributes;
    }
    Result<void> unlink(NodeId parent, std::string_view name) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * directory, directory_at(parent));
        auto found = directory->entries.find(name);
        if (found == directory->entries.end()) return absent();
        if (nodes_.at(found->second)->attributes.is_directory()) {
            return Error(Errc::kIsDirectory, "unlink");
        }
        drop(found->second);
        directory->entries.erase(found);
        return done();
    }
    Result<void> remove_directory(NodeId parent, std::string_view name) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * directory, directory_at(parent));
        auto found = directory->entries.find(name);
        if (found == directory->entries.end()) return absent();
        RF_TRY(Node * gone, directory_at(found->second));
        if (!gone->entries.empty()) return Error(Errc::kNotEmpty, "rmdir");
        nodes_.erase(found->second);
        directory->entries.erase(found);
        return done();
    }
    Result<void> rename(NodeId source_parent, std::string_view source_name, NodeId target_parent,
                        std::string_view target_name, core::RenameMode mode) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * from, directory_at(source_parent));
        RF_TRY(Node * to, directory_at(target_parent));
        auto source = from->entries.find(source_name);
        if (source == from->entries.end()) return absent();
        auto target = to->entries.find(target_name);
        if (mode == core::RenameMode::kExchange) {
            if (target == to->entries.end()) return absent();
            std::swap(source->second, target->second);
            return done();
        }
        if (target != to->entries.end()) {
            if (mode == core::RenameMode::kNoReplace) return taken();
            if (target->second == source->second) return done();
            drop(target->second);
            to->entries.erase(target);
        }
        NodeId node = source->second;
        from->entries.erase(source);
        to->entries.emplace(target_name, node);
        nodes_.at(node)->parent = target_parent;
        return done();
    }
    Result<std::string> read_link(NodeId node) override {
        if (throw_on_read_link) throw std::runtime_error("read_link was told to throw");
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        return found->bytes;
    }
    Result<Attributes> change(const Caller& caller, NodeId node,
                              const core::AttributeChange& change) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        Attributes& now = found->attributes;
        if (change.mode) now.mode = *change.mode;
        if (change.uid) now.uid = *change.uid;
        if (change.gid) now.gid = *change.gid;
        if (change.size) {
            found->bytes.resize(*change.size);
            now.size = *change.size;
            if (caller.drops_privileges) drop_privileges(now);
        }
        if (change.accessed) now.accessed = *change.accessed;
        if (change.modified) now.modified = *change.modified;
        if (change.accessed_now) now.accessed = now_;
        if (change.modified_now) now.modified = now_;
        return now;
    }

    // Directories: offset n is "after the n-th entry".
    Result<std::shared_ptr<core::OpenDirectory>> open_directory(NodeId node) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, directory_at(node));
        (void)found;
        auto handle = std::make_shared<Handle>(Handle{nodes_.at(node)});
        return std::shared_ptr<core::OpenDirectory>(
            handle, reinterpret_cast<core::OpenDirectory*>(handle.get()));
    }
    Result<void> list(core::OpenDirectory& directory, std::uint64_t offset, bool with_attributes,
                      const std::function<bool(const Listed&)>& take) override {
        MutexLock lock(mutex_);
        const Node& node = *reinterpret_cast<Handle&>(directory).node;
        std::vector<Listed> all{{".", node.attributes.node, NodeType::kDirectory, 1, nullptr},
                                {"..", node.parent, NodeType::kDirectory, 2, nullptr}};
        for (const auto& [name, child] : node.entries) {
            const Attributes& attributes = nodes_.at(child)->attributes;
            all.push_back({name, child, attributes.type, all.size() + 1,
                           with_attributes ? &attributes : nullptr});
        }
        for (std::size_t i = offset; i < all.size(); ++i) {
            if (!take(all[i])) break;
        }
        return done();
    }

    // Content
    Result<std::shared_ptr<core::OpenFile>> open(NodeId node, core::OpenFlags flags) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        if (flags.truncate) {
            found->bytes.clear();
            found->attributes.size = 0;
        }
        if (flags.truncate && flags.drops_privileges) drop_privileges(found->attributes);
        last_flags_ = flags;
        ++found->opened;
        open_files.fetch_add(1);
        auto handle = std::make_shared<Handle>(Handle{nodes_.at(node)});
        return std::shared_ptr<core::OpenFile>(handle,
                                               reinterpret_cast<core::OpenFile*>(handle.get()));
    }
    NodeId node_of(const core::OpenFile& file) const override {
        return reinterpret_cast<const Handle&>(file).node->attributes.node;
    }
    Result<std::size_t> read(core::OpenFile& file, std::uint64_t offset,
                             MutableBytes out) override {
        if (fail_reads) return Error(Errc::kCorrupt, "extent 7 block 0 fails authentication");
        MutexLock lock(mutex_);
        const std::string& bytes = node(file).bytes;
        if (offset >= bytes.size()) return std::size_t{0};
        std::size_t count = std::min<std::size_t>(out.size(), bytes.size() - offset);
        std::memcpy(out.data(), bytes.data() + offset, count);
        return count;
    }
    Result<void> write(const Caller& caller, core::OpenFile& file, std::uint64_t offset,
                       Bytes bytes) override {
        MutexLock lock(mutex_);
        Node& target = node(file);
        if (target.bytes.size() < offset + bytes.size()) target.bytes.resize(offset + bytes.size());
        std::memcpy(target.bytes.data() + offset, bytes.data(), bytes.size());
        target.attributes.size = target.bytes.size();
        if (caller.drops_privileges) drop_privileges(target.attributes);
        last_writer_ = caller;
        return done();
    }
    Result<void> flush(core::OpenFile&) override { return done(); }
    Result<void> fsync(core::OpenFile&) override { return done(); }
    void release(std::shared_ptr<core::OpenFile> file) override {
        MutexLock lock(mutex_);
        Node& released = node(*file);
        --released.opened;
        open_files.fetch_sub(1);
        if (released.opened == 0 && released.attributes.links == 0) {
            nodes_.erase(released.attributes.node);
        }
    }
    Result<void> allocate(const Caller& caller, core::OpenFile& file, core::AllocateMode mode,
                          std::uint64_t offset, std::uint64_t length) override {
        MutexLock lock(mutex_);
        Node& target = node(file);
        if (caller.drops_privileges) drop_privileges(target.attributes);
        std::uint64_t end = offset + length;
        bool keep = mode != core::AllocateMode::kAllocate && mode != core::AllocateMode::kZeroRange;
        if (!keep && target.bytes.size() < end) target.bytes.resize(end);
        if (mode != core::AllocateMode::kAllocate && mode != core::AllocateMode::kKeepSize) {
            end = std::min<std::uint64_t>(end, target.bytes.size());
            for (std::uint64_t i = offset; i < end; ++i) target.bytes[i] = '\0';
        }
        target.attributes.size = target.bytes.size();
        return done();
    }
    Result<std::uint64_t> seek(core::OpenFile& file, core::SeekTo what,
                               std::uint64_t offset) override {
        MutexLock lock(mutex_);
        const std::string& bytes = node(file).bytes;
        if (offset >= bytes.size()) return Error(Errc::kNoData, "seek");
        return what == core::SeekTo::kData ? offset : bytes.size();
    }
    Result<std::uint64_t> copy_range(const Caller&, core::OpenFile& source,
                                     std::uint64_t source_offset, core::OpenFile& target,
                                     std::uint64_t target_offset, std::uint64_t length) override {
        MutexLock lock(mutex_);
        const std::string& from = node(source).bytes;
        if (source_offset >= from.size()) return std::uint64_t{0};
        std::string bytes = from.substr(source_offset, length);
        Node& to = node(target);
        to.bytes.resize(std::max<std::size_t>(to.bytes.size(), target_offset + bytes.size()));
        to.bytes.replace(target_offset, bytes.size(), bytes);
        to.attributes.size = to.bytes.size();
        return bytes.size();
    }

    // Extended attributes
    Result<std::vector<std::byte>> get_xattr(NodeId node, std::string_view name) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        auto value = found->xattrs.find(name);
        if (value == found->xattrs.end()) return Error(Errc::kNoAttribute, "xattr");
        return copy_of(bytes_of(value->second));
    }
    Result<std::vector<std::string>> list_xattrs(NodeId node) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        std::vector<std::string> names;
        for (const auto& [name, value] : found->xattrs) names.push_back(name);
        return names;
    }
    Result<void> set_xattr(NodeId node, std::string_view name, Bytes value, core::XattrMode mode,
                           core::SetGid) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        bool there = found->xattrs.find(name) != found->xattrs.end();
        if (mode == core::XattrMode::kCreate && there) return taken();
        if (mode == core::XattrMode::kReplace && !there) return Error(Errc::kNoAttribute, "xattr");
        found->xattrs.insert_or_assign(std::string(name), std::string(text_of(value)));
        return done();
    }
    Result<void> remove_xattr(NodeId node, std::string_view name) override {
        MutexLock lock(mutex_);
        RF_TRY(Node * found, at(node));
        auto value = found->xattrs.find(name);
        if (value == found->xattrs.end()) return Error(Errc::kNoAttribute, "xattr");
        found->xattrs.erase(value);
        return done();
    }

    // The whole
    Result<core::Space> space(NodeId) override { return core::Space{1u << 30, 1u << 29, 42, {}}; }
    Result<void> sync_metadata() override { return done(); }
    Result<void> sync() override { return done(); }

    void set_change_listener(core::ChangeListener* told) override { listener = told; }

  private:
    static Error absent() { return Error(Errc::kNotFound, "no such name"); }
    static Error taken() { return Error(Errc::kExists, "name is taken"); }
    static Node& node(core::OpenFile& file) { return *reinterpret_cast<Handle&>(file).node; }

    Result<Node*> at(NodeId node) REQUIRES(mutex_) {
        auto found = nodes_.find(node);
        if (found == nodes_.end()) return Error(Errc::kStale, "node is gone");
        return found->second.get();
    }
    Result<Node*> directory_at(NodeId node) REQUIRES(mutex_) {
        RF_TRY(Node * found, at(node));
        if (!found->attributes.is_directory()) return Error(Errc::kNotDirectory, "directory");
        return found;
    }
    Node& add(NodeId node, NodeId parent, NodeType type, std::uint32_t mode, const Caller& caller)
        REQUIRES(mutex_) {
        auto made = std::make_shared<Node>();
        made->parent = parent;
        made->attributes.node = node;
        made->attributes.type = type;
        made->attributes.mode = mode;
        made->attributes.links = type == NodeType::kDirectory ? 2 : 1;
        made->attributes.uid = caller.uid;
        made->attributes.gid = caller.gid;
        made->attributes.modified = made->attributes.changed = made->attributes.accessed = now_;
        return *(nodes_[node] = made);
    }
    Result<Attributes> make(const Caller& caller, NodeId parent, std::string_view name,
                            NodeType type, std::uint32_t mode, std::uint64_t device,
                            std::string_view bytes) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        RF_TRY(Node * directory, directory_at(parent));
        if (directory->entries.find(name) != directory->entries.end()) return taken();
        NodeId id{next_++};
        if (type != NodeType::kSymlink) mode &= ~caller.umask;
        last_umask_ = caller.umask;
        Node& made = add(id, parent, type, mode, caller);
        made.bytes = bytes;
        made.attributes.size = bytes.size();
        made.attributes.device = device;
        directory->entries.emplace(name, id);
        return made.attributes;
    }
    static void drop_privileges(Attributes& attributes) {
        attributes.mode = without_privileges(attributes.mode, false);
    }
    void drop(NodeId node) REQUIRES(mutex_) {
        Node& dropped = *nodes_.at(node);
        if (--dropped.attributes.links == 0 && dropped.opened == 0) nodes_.erase(node);
    }

    const NodeId root_;
    const Timestamp now_ = Timestamp::from_seconds(1'700'000'000);
    Mutex mutex_;
    std::map<NodeId, std::shared_ptr<Node>> nodes_ GUARDED_BY(mutex_);
    std::uint64_t next_ GUARDED_BY(mutex_) = 2;
    CondVar met_;
    int expected_ GUARDED_BY(mutex_) = 0;
    int meeting_ GUARDED_BY(mutex_) = 0;
    Caller last_writer_ GUARDED_BY(mutex_);
    core::OpenFlags last_flags_ GUARDED_BY(mutex_);
    std::uint32_t last_umask_ GUARDED_BY(mutex_) = 0;
    Mutex known_mutex_;  // list() calls its caller under the other one
    std::map<NodeId, std::int64_t> known_ GUARDED_BY(known_mutex_);
    CondVar forgotten_;
};

}  // namespace reelfs::fuse::test
