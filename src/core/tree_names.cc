// Tree: names. Lookup, make, link, unlink, rename.
#include <sys/stat.h>

#include <algorithm>

#include "core/lifecycle_walk.h"
#include "core/tree_impl.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

Result<NodeRow> TreeImpl::require(Reader& r, NodeId node) const {
    RF_TRY(auto row, r.node(node));
    if (!row) return Error(Errc::kStale, "the node is gone");
    return *std::move(row);
}

Result<NodeRow> TreeImpl::require_directory(Reader& r, NodeId node) const {
    RF_TRY(NodeRow row, require(r, node));
    if (!row.attributes.is_directory()) return Error(Errc::kNotDirectory, "not a directory");
    if (row.attributes.links == 0) return Error(Errc::kNotFound, "the directory has been removed");
    return row;
}

bool TreeImpl::visible(const Attributes& attributes) const {
    return !attributes.expires || *attributes.expires > context_.clock.now();
}

Attributes TreeImpl::live(const NodeRow& row) {
    if (auto node = context_.nodes.find(row.attributes.node)) {
        MutexLock lock(node->mutex);
        if (!node->deleting) return node->live();
    }
    return row.attributes;
}

Result<std::shared_ptr<Node>> TreeImpl::load(NodeId id) {
    if (auto node = context_.nodes.find(id)) return node;
    std::shared_ptr<Node> node;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(NodeRow row, require(r, id));
        node = context_.nodes.adopt(row);
        return done();
    }));
    return node;
}

void TreeImpl::publish(const Changed& changed) {
    for (const NodeRow& row : changed) {
        if (auto node = context_.nodes.find(row.attributes.node)) {
            MutexLock lock(node->mutex);
            if (node->row.has_xattrs || row.has_xattrs) node->headers.reset();
            node->row = row;
        }
    }
}

Result<void> TreeImpl::transact(Effect effect,
                                const std::function<Result<void>(Writer&, Changed&)>& body,
                                const std::function<void()>& published) {
    RF_CHECK(context_.check_writable());
    if (effect == Effect::kAdds) RF_CHECK(context_.space.check_room_for_names());
    Changed changed;
    auto attempt = [&] {
        changed.clear();
        return context_.catalog.write([&](Writer& w) { return body(w, changed); },
                                      [&] {
                                          publish(changed);
                                          if (published) published();
                                      });
    };
    auto result = attempt();
    if (!result && effect == Effect::kFrees && result.error().code() == Errc::kNoSpace &&
        context_.space.release_reserve())
        result = attempt();
    context_.bound_log();
    return result;
}

Result<Attributes> TreeImpl::lookup(NodeId parent, std::string_view name) {
    return find_entry(parent, name, nullptr);
}

/// Under the lock under which names are given and taken: nobody has replaced what was found before
/// that is known.
Result<Attributes> TreeImpl::lookup_and_remember(NodeId parent, std::string_view name) {
    return find_entry(parent, name, [this](NodeId found) { known_.remember(found); });
}

/// `found_it`, if any, is called under the lock of the catalog, for what is found and visible.
Result<Attributes> TreeImpl::find_entry(NodeId parent, std::string_view name,
                                        const std::function<void(NodeId)>& found_it) {
    if (name.size() > limits::name_bytes_max)
        return Error(Errc::kNameTooLong, "a name has at most 255 bytes");
    std::optional<NodeRow> found;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(auto id, entry(r, parent, name));
        if (!id) {
            RF_TRY(NodeRow row, require_directory(r, parent));
            return done();
        }
        RF_TRY(found, r.node(*id));
        if (!found) return Error(Errc::kCorrupt, "a directory entry leads to no node");
        if (!visible(found->attributes)) {
            found.reset();
        } else if (found_it) {
            found_it(*id);
        }
        return done();
    }));
    if (!found) return Error(Errc::kNotFound, "no such entry");
    return live(*found);
}

Result<Attributes> TreeImpl::resolve(NodeId from, const Components& path) {
    RF_TRY(Attributes at, attributes(from));
    for (const std::string& name : path) {
        if (!at.is_directory()) return Error(Errc::kNotDirectory, "not a directory");
        RF_TRY(at, lookup(at.node, name));
    }
    return at;
}

Result<NodeId> TreeImpl::parent_of(NodeId directory) {
    NodeId parent;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(NodeRow row, require(r, directory));
        parent = row.parent;
        return done();
    }));
    return parent;
}

NodeRow TreeImpl::fresh_row(const Caller& caller, NodeId id, const NodeRow& parent, NodeType type,
                            std::uint32_t mode) const {
    NodeRow row;
    Attributes& attributes = row.attributes;
    attributes.node = id;
    attributes.container = parent.attributes.container;
    attributes.type = type;
    attributes.mode = mode & 07777;
    attributes.links = type == NodeType::kDirectory ? 2 : 1;
    attributes.uid = caller.uid;
    attributes.gid = caller.gid;
    if (parent.attributes.mode & S_ISGID) {
        attributes.gid = parent.attributes.gid;
        if (type == NodeType::kDirectory) attributes.mode |= S_ISGID;
    }
    attributes.accessed = attributes.modified = attributes.changed = attributes.created =
        context_.clock.now();
    if (type == NodeType::kDirectory) row.parent = parent.attributes.node;
    if (type == NodeType::kFile) row.etag = context_.new_etag();
    return row;
}

Result<void> TreeImpl::add_entry(Writer& w, Changed& changed, NodeRow parent, std::string_view name,
                                 const NodeRow& child) {
    RF_TRY(const bool shown, shows_upload(w, parent.attributes.node, name));
    if (shown) return Error(Errc::kExists, "an upload has this name");
    RF_CHECK(w.insert_entry(parent.attributes.node,
                            {std::string(name), child.attributes.node, child.attributes.type}));
    parent.implicit_folder = false;  // somebody works here through the mount
    parent.attributes.modified = parent.attributes.changed = context_.clock.now();
    if (child.attributes.is_directory()) {
        if (parent.attributes.links >= limits::link_count_max)
            return Error(Errc::kTooManyLinks, "the directory has too many subdirectories");
        ++parent.attributes.links;
    }
    RF_CHECK(w.update_node(parent));
    changed.push_back(std::move(parent));
    return done();
}

Result<Attributes> TreeImpl::make(
    const Caller& caller, NodeId parent, std::string_view name, const NewNode& what,
    std::string_view symlink_target,
    const std::function<void(const std::shared_ptr<Node>&)>& adopted) {
    RF_CHECK(context_.check_writable());
    if (parent == kRootNode)
        return Error(
            Errc::kNotPermitted,
            "only containers (directories) can be made at the root; make this inside a container");
    RF_CHECK(check_component(name));
    RF_CHECK(context_.space.check_room(0));
    RF_TRY(NodeId id, context_.node_ids.next());
    NodeRow row;
    Unlinked unlinked;
    auto made = transact(
        Effect::kAdds,
        [&](Writer& w, Changed& changed) -> Result<void> {
            RF_CHECK(clear_expired(w, changed, parent, name, unlinked));
            RF_TRY(NodeRow parent_row, require_directory(w, parent));
            row = fresh_row(caller, id, parent_row, what.type, what.mode);
            row.attributes.device = what.device;
            row.symlink_target = symlink_target;
            if (what.type == NodeType::kSymlink) row.attributes.size = symlink_target.size();
            RF_CHECK(bind_expiry(w, row, parent, name));
            RF_CHECK(insert_child(w, caller, parent_row, row));
            return add_entry(w, changed, parent_row, name, row);
        },
        [&] {
            hide_upload(parent, name);  // an expired one
            if (adopted) adopted(context_.nodes.adopt(row));
        });
    settle(unlinked, made.ok());
    RF_CHECK(made);
    watches_.changed(parent, name);
    return row.attributes;
}

Result<Attributes> TreeImpl::make_directory(const Caller& caller, NodeId parent,
                                            std::string_view name, std::uint32_t mode) {
    if (parent == kRootNode) {
        RF_TRY(ContainerInfo info,
               add_container(caller, name,
                             {.mode = mode, .block_bytes = std::nullopt, .profile = {}}));
        return attributes(info.root);
    }
    return make(caller, parent, name, {NodeType::kDirectory, mode, 0}, {}, nullptr);
}

Result<Attributes> TreeImpl::make_node(const Caller& caller, NodeId parent, std::string_view name,
                                       const NewNode& what) {
    if (what.type == NodeType::kDirectory || what.type == NodeType::kSymlink)
        return Error(Errc::kInvalid, "not a kind that mknod makes");
    return make(caller, parent, name, what, {}, nullptr);
}

Result<Attributes> TreeImpl::make_symlink(const Caller& caller, NodeId parent,
                                          std::string_view name, std::string_view target) {
    if (target.empty()) return Error(Errc::kNotFound, "a symbolic link needs a target");
    if (target.size() > limits::symlink_bytes_max)
        return Error(Errc::kNameTooLong, "a link target has at most 4095 bytes");
    return make(caller, parent, name, {NodeType::kSymlink, 0777, 0}, target, nullptr);
}

Result<Attributes> TreeImpl::link(NodeId id, NodeId parent, std::string_view name) {
    RF_CHECK(check_component(name));
    NodeRow row;
    Unlinked unlinked;
    auto linked = transact(
        Effect::kAdds,
        [&](Writer& w, Changed& changed) -> Result<void> {
            RF_CHECK(clear_expired(w, changed, parent, name, unlinked));
            RF_TRY(NodeRow parent_row, require_directory(w, parent));
            RF_TRY(row, require(w, id));
            if (row.attributes.expires)
                return Error(Errc::kNotPermitted,
                             "a file under a transient rule has one name; copy it to keep it");
            if (row.attributes.is_directory())
                return Error(Errc::kNotPermitted, "a directory has one name only");
            if (row.attributes.links == 0)
                return Error(Errc::kNotFound, "the file has been removed");
            if (row.attributes.container != parent_row.attributes.container)
                return Error(Errc::kCrossDevice,
                             "containers do not share files: their keys differ");
            if (row.attributes.links >= limits::link_count_max)
                return Error(Errc::kTooManyLinks, "the file has too many links");
            ++row.attributes.links;
            row.attributes.changed = context_.clock.now();
            RF_CHECK(w.update_node(row));
            changed.push_back(row);
            return add_entry(w, changed, parent_row, name, row);
        },
        [&] { hide_upload(parent, name); });  // an expired one
    settle(unlinked, linked.ok());
    RF_CHECK(linked);
    watches_.changed(parent, name);
    return live(row);
}

Result<void> TreeImpl::drop_link(Writer& w, Changed& changed, NodeRow row, Leaves leaves,
                                 Unlinked& unlinked) {
    const NodeId id = row.attributes.node;
    bool in_use = false;
    if (row.attributes.links == 1) {
        in_use = unlinked.kernel_knows = leaves == Leaves::kReplaced && known_.knows(id);
        if (auto node = in_use ? context_.nodes.adopt(row) : context_.nodes.find(id)) {
            MutexLock lock(node->mutex);
            in_use = in_use || !node->idle();
            if (in_use) {
                ++node->handles;
                unlinked.held = node;
            } else {
                node->deleting = true;
                unlinked.marked = node;
            }
        }
    }
    --row.attributes.links;
    row.attributes.changed = context_.clock.now();
    if (row.attributes.links > 0) {
        RF_CHECK(w.update_node(row));
        changed.push_back(std::move(row));
        return done();
    }
    bool erased = false;
    if (!in_use) {
        RF_TRY(erased, files_.erase_content_in(w, id));
    }
    if (erased) {
        RF_CHECK(w.delete_node(id));
        unlinked.deleted = row.attributes;
        return done();
    }
    // In use, or too big for one transaction: without links it goes when the last user does, in
    // steps, or at the next start.
    if (!in_use) unlinked.reapable = id;
    RF_CHECK(w.update_node(row));
    changed.push_back(std::move(row));
    return done();
}

void TreeImpl::settle(const Unlinked& unlinked, bool committed) {
    if (!committed) {
        if (unlinked.marked) {
            MutexLock lock(unlinked.marked->mutex);
            unlinked.marked->deleting = false;
        }
        if (unlinked.held) {
            MutexLock lock(unlinked.held->mutex);
            becomes_orphan(*unlinked.held);  // it does not: it has its link
        }
        return;
    }
    if (unlinked.held && !(unlinked.kernel_knows && known_.keep(unlinked.held)))
        drop_handle(unlinked.held, false);
    if (unlinked.deleted) node_gone(*unlinked.deleted);
    if (unlinked.reapable) reap_later(*unlinked.reapable);
}

void TreeImpl::node_gone(Attributes last) {
    last.links = 0;
    known_.note_removed(last);
    context_.nodes.forget(last.node);
}

Result<void> TreeImpl::unlink(NodeId parent, std::string_view name) {
    Unlinked unlinked;
    auto result = transact(
        Effect::kFrees,
        [&](Writer& w, Changed& changed) -> Result<void> {
            settle(unlinked, false);
            unlinked = {};
            return unlink_in(w, changed, parent, name, unlinked);
        },
        [&] { hide_upload(parent, name); });
    settle(unlinked, result.ok());
    if (result) watches_.changed(parent, name);
    return result;
}

Result<void> TreeImpl::unlink_in(Writer& w, Changed& changed, NodeId parent, std::string_view name,
                                 Unlinked& unlinked) {
    RF_TRY(NodeRow parent_row, require_directory(w, parent));
    RF_TRY(auto id, w.entry(parent, name));
    RF_TRY(const bool shown, shows_upload(w, parent, name));
    if (!id && !shown) return Error(Errc::kNotFound, "no such entry");
    NodeRow row;
    if (id) {
        RF_TRY(row, require(w, *id));
        if (row.attributes.is_directory()) return Error(Errc::kIsDirectory, "it is a directory");
        if (!visible(row.attributes)) return Error(Errc::kNotFound, "no such entry");
        RF_CHECK(w.delete_entry(parent, name));
    }
    parent_row.attributes.modified = parent_row.attributes.changed = context_.clock.now();
    RF_CHECK(w.update_node(parent_row));
    changed.push_back(parent_row);
    return id ? drop_link(w, changed, row, Leaves::kRemoved, unlinked) : done();
}

void TreeImpl::hide_upload(NodeId parent, std::string_view name) {
    const auto hidden = upload_names_.hide(parent, name);
    if (!hidden) return;
    if (auto node = context_.nodes.find(*hidden)) {
        MutexLock lock(node->mutex);
        if (node->upload == Node::Upload::kShown) node->upload = Node::Upload::kHidden;
    }
}

Result<bool> TreeImpl::shows_upload(Reader& r, NodeId folder, std::string_view name) const {
    const auto shown = upload_names_.find(folder, name);
    if (!shown) return false;
    RF_TRY(const NodeRow row, require(r, *shown));
    return visible(row.attributes);
}

Result<bool> TreeImpl::is_empty(Reader& r, NodeId directory) {
    if (upload_names_.any_in(directory)) return false;
    RF_TRY(bool full, r.has_entries(directory));
    return !full;
}

Result<void> TreeImpl::remove_directory(NodeId parent, std::string_view name) {
    if (parent == kRootNode) return remove_container(name);
    RF_CHECK(clear_expired_below(parent, name));
    Attributes removed;
    RF_CHECK(transact(Effect::kFrees, [&](Writer& w, Changed& changed) -> Result<void> {
        RF_TRY(NodeRow parent_row, require_directory(w, parent));
        RF_TRY(auto id, w.entry(parent, name));
        if (!id) return Error(Errc::kNotFound, "no such entry");
        RF_TRY(NodeRow row, require_directory(w, *id));
        RF_TRY(bool empty, is_empty(w, *id));
        if (!empty) return Error(Errc::kNotEmpty, "the directory is not empty");
        RF_CHECK(w.delete_entry(parent, name));
        RF_CHECK(w.delete_node(*id));
        --parent_row.attributes.links;
        parent_row.attributes.modified = parent_row.attributes.changed = context_.clock.now();
        RF_CHECK(w.update_node(parent_row));
        changed.push_back(parent_row);
        removed = row.attributes;
        removed.changed = parent_row.attributes.changed;
        return done();
    }));
    node_gone(removed);
    watches_.changed(parent, name);
    return done();
}

Result<bool> TreeImpl::is_inside(Reader& r, NodeId directory, NodeId ancestor) const {
    for (NodeId at = directory; at != kRootNode;) {
        if (at == ancestor) return true;
        RF_TRY(NodeRow row, require(r, at));
        at = row.parent;
    }
    return false;
}

Result<void> TreeImpl::rename_in(Writer& w, Changed& changed, NodeId source_parent,
                                 std::string_view source_name, NodeId target_parent,
                                 std::string_view target_name, RenameMode mode, bool content_synced,
                                 Unlinked& unlinked) {
    RF_CHECK(clear_expired(w, changed, target_parent, target_name, unlinked));
    RF_TRY(NodeRow from, require_directory(w, source_parent));
    RF_TRY(NodeRow to, require_directory(w, target_parent));
    RF_TRY(const bool target_shown, shows_upload(w, target_parent, target_name));
    if (upload_names_.find(source_parent, source_name) ||
        (target_shown && mode == RenameMode::kExchange))
        return Error(Errc::kBusy, "it is being uploaded; try again when it is complete");
    RF_TRY(auto source_id, w.entry(source_parent, source_name));
    if (!source_id) return Error(Errc::kNotFound, "no such entry");
    RF_TRY(auto target_id, w.entry(target_parent, target_name));
    if (from.attributes.container != to.attributes.container)
        return Error(Errc::kCrossDevice, "containers do not share files: their keys differ");
    if ((target_id || target_shown) && mode == RenameMode::kNoReplace)
        return Error(Errc::kExists, "the target exists");
    if (!target_id && mode == RenameMode::kExchange)
        return Error(Errc::kNotFound, "nothing to exchange with");
    if (target_id == source_id)
        return done();  // two links of one file, or the same name: nothing to do, by POSIX

    RF_TRY(NodeRow source, require(w, *source_id));
    if (!visible(source.attributes)) return Error(Errc::kNotFound, "no such entry");
    std::optional<NodeRow> target;
    if (target_id) {
        RF_TRY(target, require(w, *target_id));
        // A rename-over shows the old or the new content, whole: the new one must be durable first.
        // The caller syncs and tries again.
        if (!content_synced && (source.attributes.is_file() || target->attributes.is_file()))
            return Error(Errc::kBusy, "content is not durable yet");
    }
    if (source.attributes.is_directory()) {
        RF_TRY(bool inside, is_inside(w, target_parent, *source_id));
        if (inside) return Error(Errc::kInvalid, "a directory cannot go inside itself");
    }
    const Timestamp now = context_.clock.now();
    const bool same_parent = source_parent == target_parent;
    NodeRow& to_row = same_parent ? from : to;

    if (mode == RenameMode::kExchange) {
        if (target->attributes.is_directory()) {
            RF_TRY(bool inside, is_inside(w, source_parent, *target_id));
            if (inside) return Error(Errc::kInvalid, "a directory cannot go inside itself");
        }
        RF_CHECK(w.replace_entry(source_parent,
                                 {std::string(source_name), *target_id, target->attributes.type}));
        RF_CHECK(w.replace_entry(target_parent,
                                 {std::string(target_name), *source_id, source.attributes.type}));
        if (!same_parent) {
            const int moved = (target->attributes.is_directory() ? 1 : 0) -
                              (source.attributes.is_directory() ? 1 : 0);
            from.attributes.links =
                static_cast<std::uint32_t>(static_cast<int>(from.attributes.links) + moved);
            to.attributes.links =
                static_cast<std::uint32_t>(static_cast<int>(to.attributes.links) - moved);
        }
        if (target->attributes.is_directory()) target->parent = source_parent;
        target->attributes.changed = now;
        RF_CHECK(bind_renamed(w, *target, source_parent, source_name));
        RF_CHECK(w.update_node(*target));
        changed.push_back(*target);
    } else {
        if (target) {
            if (target->attributes.is_directory()) {
                if (!source.attributes.is_directory())
                    return Error(Errc::kIsDirectory, "the target is a directory");
                RF_TRY(bool empty, is_empty(w, *target_id));
                if (!empty) return Error(Errc::kNotEmpty, "the target directory is not empty");
                RF_CHECK(w.delete_node(*target_id));
                unlinked.deleted = target->attributes;
                --to_row.attributes.links;
            } else {
                if (source.attributes.is_directory())
                    return Error(Errc::kNotDirectory, "the target is not a directory");
                RF_CHECK(drop_link(w, changed, *target, Leaves::kReplaced, unlinked));
            }
        }
        RF_CHECK(w.delete_entry(source_parent, source_name));
        RF_CHECK(w.replace_entry(target_parent,
                                 {std::string(target_name), *source_id, source.attributes.type}));
        if (!same_parent && source.attributes.is_directory()) {
            --from.attributes.links;
            ++to.attributes.links;
        }
    }
    if (source.attributes.is_directory()) source.parent = target_parent;
    source.attributes.changed = now;
    RF_CHECK(bind_renamed(w, source, target_parent, target_name));
    RF_CHECK(w.update_node(source));
    changed.push_back(source);
    from.implicit_folder = false;
    from.attributes.modified = from.attributes.changed = now;
    RF_CHECK(w.update_node(from));
    changed.push_back(from);
    if (!same_parent) {
        to.implicit_folder = false;
        to.attributes.modified = to.attributes.changed = now;
        RF_CHECK(w.update_node(to));
        changed.push_back(to);
    }
    return done();
}

/// By its new name a file comes under other rules; so may everything in a folder, which is looked
/// through for day rules.
Result<void> TreeImpl::bind_renamed(Writer& w, NodeRow& row, NodeId folder, std::string_view name) {
    if (!row.attributes.is_directory()) {
        RF_CHECK(bind_expiry(w, row, folder, name));
        // The kernel moves what it knows to the new name, with the time it was given for the old
        // one; what it is told takes effect after the rename, whose locks it holds.
        if (row.attributes.expires) expiry_alarm_.tell(folder, name);
        return done();
    }
    const ContainerId container = row.attributes.container;
    const auto rules = context_.documents.of(container)->lifecycle;
    if (rules == nullptr || !policy::has_day_rules(*rules)) return done();
    expiry_alarm_.ask_for_walk();
    return LifecycleWalk::mark(w, container);
}

Result<void> TreeImpl::rename(NodeId source_parent, std::string_view source_name,
                              NodeId target_parent, std::string_view target_name, RenameMode mode) {
    RF_CHECK(check_component(target_name));
    if (source_parent == kRootNode && target_parent == kRootNode)
        return Error(Errc::kNotPermitted, "a container keeps its name");
    if (source_parent == kRootNode || target_parent == kRootNode)
        return Error(Errc::kCrossDevice, "a container cannot be moved");
    if (mode == RenameMode::kReplace) RF_CHECK(clear_expired_below(target_parent, target_name));
    bool content_synced = false;
    while (true) {
        Unlinked unlinked;
        auto result = transact(
            Effect::kFrees,
            [&](Writer& w, Changed& changed) {
                settle(unlinked, false);
                unlinked = {};
                return rename_in(w, changed, source_parent, source_name, target_parent, target_name,
                                 mode, content_synced, unlinked);
            },
            [&] { hide_upload(target_parent, target_name); });
        settle(unlinked, result.ok());
        if (result) {
            watches_.changed(source_parent, source_name);
            watches_.changed(target_parent, target_name);
        }
        if (result || result.error().code() != Errc::kBusy || content_synced) return result;
        for (const auto& [parent, name] :
             {std::pair(source_parent, source_name), std::pair(target_parent, target_name)}) {
            if (parent == target_parent && name == target_name && mode != RenameMode::kExchange)
                break;
            auto attributes = lookup(parent, name);
            if (!attributes || !attributes->is_file()) continue;
            RF_TRY(auto node, load(attributes->node));
            RF_CHECK(files_.sync_content(node));
        }
        content_synced = true;
    }
}

Result<std::string> TreeImpl::read_link(NodeId node) {
    std::string target;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(NodeRow row, require(r, node));
        if (row.attributes.type != NodeType::kSymlink)
            return Error(Errc::kInvalid, "not a symbolic link");
        target = std::move(row.symlink_target);
        return done();
    }));
    return target;
}

void TreeImpl::forget(NodeId node, std::uint64_t times) {
    if (auto kept = known_.forget(node, times)) drop_handle(kept, false);
}

void TreeImpl::forget_all() {
    for (const auto& kept : known_.forget_all()) drop_handle(kept, false);
}

bool TreeImpl::let_replaced_go(ContainerId container) {
    const auto kept = known_.take_kept(container);
    for (const auto& node : kept) drop_handle(node, false);
    return !kept.empty();
}

Result<void> TreeImpl::reap(NodeId id) {
    Folders folders;
    bool erased = false;
    std::optional<NodeRow> row;
    const auto erase = [&](Writer& w, Changed& changed) -> Result<void> {
        RF_TRY(erased, files_.erase_content_in(w, id));
        if (!erased) return done();
        RF_TRY(row, w.node(id));
        RF_CHECK(w.delete_node(id));
        if (!row || !row->attributes.is_file() || row->symlink_target.empty()) return done();
        // A STREAMING upload that never ended: the folders made for it go too.
        RF_TRY(Components path, split_path(row->symlink_target));
        RF_TRY(auto container, w.container(row->attributes.container));
        if (!container || path.empty()) return done();
        return remove_empty_folders(w, changed, container->root,
                                    std::span(path).first(path.size() - 1), folders);
    };
    RF_CHECK(transact(Effect::kFrees, erase));
    if (!erased) {  // too much for one transaction
        RF_CHECK(files_.erase_content(id));
        RF_CHECK(transact(Effect::kFrees, erase));
    }
    if (row) node_gone(row->attributes);
    announce(folders);
    return done();
}

Result<void> TreeImpl::reap_all() {
    MutexLock reaping(reaping_mutex_);
    std::vector<NodeId> nodes;
    {
        MutexLock lock(reapable_mutex_);
        nodes = std::exchange(reapable_, {});
    }
    std::optional<Error> first;
    for (const NodeId node : nodes) {
        auto reaped = reap(node);
        if (reaped) continue;
        reap_later(node);
        if (!first) first = std::move(reaped).error();
    }
    if (first) return *std::move(first);
    return done();
}

}  // namespace reelfs::core
