// Tree: uploads. The node without a name, the name it gets, and the folders made on the way.
#include <algorithm>

#include "core/content_hash.h"
#include "core/upload_impl.h"
#include "reelfs/base/clock.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

namespace {

constexpr std::uint32_t kFileMode = 0644, kFolderMode = 0755;

Error not_a_folder(const NodeRow& row) {
    if (row.attributes.type == NodeType::kSymlink)
        return Error(Errc::kInvalid, "an upload does not go through a link");
    return Error(Errc::kNotDirectory, "a file stands where the path wants a folder");
}

}  // namespace

std::uint64_t TreeImpl::draw_ticket() {
    // A moment, so that a file's birth tells whether it is newer than an upload; never the same
    // twice, so that two uploads can always be told apart.
    const auto now = static_cast<std::uint64_t>(context_.clock.now().ns);
    std::uint64_t last = last_ticket_.load();
    std::uint64_t ticket = 0;
    do {
        ticket = std::max(now, last + 1);
    } while (!last_ticket_.compare_exchange_weak(last, ticket));
    confirm_ticket(ticket);
    return ticket;
}

void TreeImpl::await_ticket(std::uint64_t ticket) {
    upload_order_.expect(ticket,
                         context_.clock.monotonic_ns() + limits::upload_quiet_ms * kNsPerMs);
}

void TreeImpl::confirm_ticket(std::uint64_t ticket) {
    upload_order_.expect(ticket,
                         context_.clock.monotonic_ns() + limits::upload_patience_ms * kNsPerMs);
}

Result<NodeRow> TreeImpl::container_root(Reader& r, std::string_view name) {
    RF_TRY(auto id, r.entry(kRootNode, name));
    if (!id) return Error(Errc::kNotFound, "no container of this name");
    return require_directory(r, *id);
}

Result<std::unique_ptr<Upload>> TreeImpl::begin_upload(std::string_view container,
                                                       const Components& path,
                                                       const UploadOptions& options) {
    RF_CHECK(context_.check_writable());
    if (path.empty()) return Error(Errc::kInvalid, "an object needs a name");
    for (const std::string& name : path) RF_CHECK(check_component(name));
    RF_CHECK(context_.space.check_room(0));
    RF_TRY(NodeId id, context_.node_ids.next());
    std::shared_ptr<Node> node;
    NodeId root_id;
    NodeRow row;
    RF_CHECK(transact(
        Effect::kAdds,
        [&](Writer& w, Changed&) -> Result<void> {
            RF_TRY(NodeRow at, container_root(w, container));
            root_id = at.attributes.node;
            row = fresh_row({at.attributes.uid, at.attributes.gid, 0, 0}, id, at, NodeType::kFile,
                            kFileMode);
            row.attributes.links = 0;
            row.attributes.created = {static_cast<std::int64_t>(options.ticket)};
            // What publish() would refuse is told before the body is read.
            for (std::size_t i = 0; i < path.size(); ++i) {
                RF_TRY(auto next, w.entry(at.attributes.node, path[i]));
                if (!next) {
                    RF_CHECK(context_.quotas.check_object(w, at.attributes.container));
                    break;
                }
                RF_TRY(at, require(w, *next));
                const bool directory = at.attributes.is_directory();
                if (i + 1 == path.size() && directory)
                    return Error(Errc::kIsDirectory, "a folder has this name");
                if (i + 1 < path.size() && !directory) return not_a_folder(at);
            }
            return w.insert_node(row);
        },
        [&] {
            node = context_.nodes.adopt(row);
            MutexLock lock(node->mutex);
            if (!node->map)
                node->load_map(std::make_shared<FileMap>());  // nothing can be stored yet
            ++node->handles;
            ++node->writers;
            node->growing = options.streaming;
            node->upload = Node::Upload::kHidden;
        }));
    open_files_.fetch_add(1, std::memory_order_relaxed);
    return std::unique_ptr<Upload>(
        std::make_unique<UploadImpl>(*this, std::move(node), root_id, path, options));
}

Result<NodeRow> TreeImpl::make_folders(Writer& w, Changed& changed, NodeRow at,
                                       std::span<const std::string> path, Folders& folders) {
    std::size_t used = 0;
    folders.first_made.reset();
    for (const std::string& name : path) {
        RF_TRY(auto id, w.entry(at.attributes.node, name));
        if (id) {
            RF_TRY(at, require(w, *id));
            if (!at.attributes.is_directory()) return not_a_folder(at);
            continue;
        }
        if (used == folders.ids.size()) {
            folders.ids_wanted = true;
            return Error(Errc::kBusy, "ids for folders are needed");
        }
        if (at.attributes.links >= limits::link_count_max)
            return Error(Errc::kTooManyLinks, "the folder has too many folders");
        NodeRow made = fresh_row({at.attributes.uid, at.attributes.gid, 0, 0}, folders.ids[used++],
                                 at, NodeType::kDirectory, kFolderMode);
        made.attributes.mode = kFolderMode;  // no sgid, also below a folder that has it
        made.implicit_folder = true;
        RF_CHECK(insert_child(w, {}, at, made));
        RF_CHECK(
            w.insert_entry(at.attributes.node, {name, made.attributes.node, NodeType::kDirectory}));
        if (!folders.first_made) folders.first_made = Folders::Name{at.attributes.node, name};
        ++at.attributes.links;
        at.attributes.modified = at.attributes.changed = context_.clock.now();
        RF_CHECK(w.update_node(at));
        changed.push_back(at);
        at = made;
    }
    return at;
}

Result<void> TreeImpl::remove_empty_folders(Writer& w, Changed& changed, NodeId root,
                                            std::span<const std::string> path, Folders& folders) {
    folders.removed.clear();
    folders.last_removed.reset();
    RF_TRY(NodeRow at, require_directory(w, root));
    std::vector<NodeRow> chain{at};
    for (const std::string& name : path) {
        RF_TRY(auto id, w.entry(at.attributes.node, name));
        if (!id) break;
        RF_TRY(at, require(w, *id));
        if (!at.attributes.is_directory()) break;
        chain.push_back(at);
    }
    for (; chain.size() > 1; chain.pop_back()) {
        const NodeRow& folder = chain.back();
        RF_TRY(bool empty, is_empty(w, folder.attributes.node));
        if (!empty || !folder.implicit_folder) break;
        NodeRow& parent = chain[chain.size() - 2];
        const std::string& name = path[chain.size() - 2];
        RF_CHECK(w.delete_entry(parent.attributes.node, name));
        RF_CHECK(w.delete_node(folder.attributes.node));
        folders.removed.push_back(folder.attributes);
        folders.last_removed = Folders::Name{parent.attributes.node, name};
        --parent.attributes.links;
        parent.attributes.modified = parent.attributes.changed = context_.clock.now();
        RF_CHECK(w.update_node(parent));
        changed.push_back(parent);
    }
    return done();
}

Result<void> TreeImpl::transact_with_folders(
    Folders& folders, std::size_t depth, const std::function<Result<void>(Writer&, Changed&)>& body,
    const std::function<void()>& published) {
    while (true) {
        folders.ids_wanted = false;
        auto result = transact(Effect::kFrees, body, published);
        if (result || !folders.ids_wanted) return result;
        while (folders.ids.size() < depth) {
            RF_TRY(NodeId id, context_.node_ids.next());
            folders.ids.push_back(id);
        }
    }
}

void TreeImpl::announce(const Folders& folders) {
    for (const Attributes& last : folders.removed) node_gone(last);
    auto* listener = listener_.load();
    for (const auto& name : {folders.first_made, folders.last_removed}) {
        if (!name) continue;
        watches_.changed(name->parent, name->name);
        if (listener != nullptr) listener->entry_changed(name->parent, name->name);
    }
}

UploadImpl::UploadImpl(TreeImpl& tree, std::shared_ptr<Node> node, NodeId root, Components path,
                       UploadOptions options)
    : tree_(tree),
      node_(std::move(node)),
      root_(root),
      path_(std::move(path)),
      options_(std::move(options)),
      place_(UploadOrder::folder_of(node_->container, path_)) {
    tree_.upload_order_.enter(place_, options_.ticket, options_.streaming);
}

UploadImpl::~UploadImpl() {
    if (!published_) abort();
    leave_order();
    tree_.open_files_.fetch_sub(1, std::memory_order_relaxed);
    tree_.drop_handle(node_, true);
}

Result<void> UploadImpl::append(Bytes bytes) {
    if (bytes.empty()) return done();
    RF_CHECK(tree_.within_quota(node_->container,
                                [&] { return tree_.files_.write(node_, size_, bytes); }));
    size_ += bytes.size();
    if (options_.streaming && !shown_) RF_CHECK(show());
    return done();
}

void UploadImpl::waits() {
    tree_.upload_order_.waits(place_, options_.ticket, tree_.context_.clock.monotonic_ns());
}

void UploadImpl::goes_on() {
    tree_.upload_order_.goes_on(place_, options_.ticket);
}

void UploadImpl::complete() {
    tree_.upload_order_.completed(place_, options_.ticket, tree_.context_.clock.monotonic_ns());
}

Result<void> UploadImpl::make_durable() {
    return tree_.files_.sync_content(node_);
}

Upload::Turn UploadImpl::turn(std::function<void()> wake) {
    return tree_.upload_order_.turn(place_, options_.ticket, tree_.context_.clock.monotonic_ns(),
                                    std::move(wake));
}

void UploadImpl::leave_order() {
    if (std::exchange(in_order_, false)) tree_.upload_order_.leave(place_, options_.ticket);
}

/// Whether somebody put `existing` there after this upload began. A birth in the future comes from
/// a clock that was set back since, and says nothing.
bool UploadImpl::is_newer(const NodeRow& existing) const {
    const std::int64_t born = existing.attributes.created.ns;
    const std::int64_t latest =
        std::max(tree_.context_.clock.now().ns, static_cast<std::int64_t>(tree_.last_ticket_));
    return born > static_cast<std::int64_t>(options_.ticket) && born <= latest;
}

Result<void> UploadImpl::set_headers(Writer& w, NodeRow& row) {
    for (const auto& [name, value] : {std::pair("user.mime_type", &options_.mime_type),
                                      std::pair("user.cache_control", &options_.cache_control)}) {
        if (value->empty()) continue;
        RF_CHECK(w.set_xattr(row.attributes.node, name, bytes_of(*value)));
        row.has_xattrs = true;
    }
    return done();
}

/// The first bytes of a STREAMING upload are there: its name leads to it from now on, in memory
/// only, so that a crash finds the version before. Its path stands in the row meanwhile, for
/// whoever removes an orphan to know which folders to look at.
Result<void> UploadImpl::show() {
    TreeImpl::Folders folders;
    shown_ = true;
    RF_CHECK(tree_.transact_with_folders(
        folders, path_.size(),
        [&](Writer& w, TreeImpl::Changed& changed) -> Result<void> {
            RF_TRY(NodeRow root, tree_.require_directory(w, root_));
            RF_TRY(NodeRow folder,
                   tree_.make_folders(w, changed, root, folders_of_path(), folders));
            folder_ = folder.attributes.node;
            RF_TRY(NodeRow row, tree_.require(w, node_->id));
            row.attributes.uid = folder.attributes.uid;
            row.attributes.gid = folder.attributes.gid;
            row.symlink_target = joined(path_);
            RF_TRY([[maybe_unused]] bool inherited, tree_.inherit_acl(w, folder, row));
            RF_CHECK(set_headers(w, row));
            RF_CHECK(tree_.bind_expiry(w, row, folder_, name()));
            RF_CHECK(w.update_node(row));
            changed.push_back(row);
            return done();
        },
        [&] {
            {
                MutexLock lock(node_->mutex);
                node_->upload = Node::Upload::kShown;
            }
            const auto before =
                tree_.upload_names_.show(folder_, name(), node_->id, options_.ticket);
            if (!before) return;
            if (auto other = tree_.context_.nodes.find(*before)) {
                MutexLock lock(other->mutex);
                other->upload = Node::Upload::kHidden;
            }
        }));
    tree_.announce(folders);
    announce_name();
    return done();
}

void UploadImpl::announce_name() {
    tree_.watches_.changed(folder_, name());
    if (auto* listener = tree_.listener_.load()) listener->entry_changed(folder_, name());
}

/// The age of what was shown while it grew counts from then; if it has expired since, it only now
/// has a name to be taken away.
Result<void> UploadImpl::bind(Writer& w, NodeRow& row) {
    if (!shown_) return tree_.bind_expiry(w, row, folder_, name());
    if (!tree_.expiry_alarm_.any()) return done();
    RF_TRY(auto queued, w.expiry(row.attributes.node));
    if (!queued && row.attributes.expires)
        queued = catalog::ExpiryRow{.node = row.attributes.node,
                                    .due = *row.attributes.expires,
                                    .since = tree_.context_.clock.now(),
                                    .transient = true,
                                    .parent = {},
                                    .name = {}};
    if (!queued) return done();
    queued->parent = folder_;  // which may have been made anew
    queued->name = name();
    tree_.expiry_alarm_.set(queued->due);
    return w.put_expiry(*queued);
}

Result<void> UploadImpl::give_name(Writer& w, TreeImpl::Changed& changed, Bytes sha256,
                                   TreeImpl::Folders& folders, TreeImpl::Unlinked& unlinked) {
    superseded_ = false;
    replaced_.reset();
    RF_TRY(NodeRow root, tree_.require_directory(w, root_));
    RF_TRY(NodeRow folder, tree_.make_folders(w, changed, root, folders_of_path(), folders));
    folder_ = folder.attributes.node;
    const Timestamp now = tree_.context_.clock.now();
    RF_TRY(auto existing_id, w.entry(folder_, name()));
    if (existing_id) {
        RF_TRY(NodeRow existing, tree_.require(w, *existing_id));
        if (existing.attributes.is_directory())
            return Error(Errc::kIsDirectory, "a folder has this name");
        superseded_ = is_newer(existing);
        if (superseded_) return done();
        replaced_ = *existing_id;
        RF_CHECK(tree_.drop_link(w, changed, existing, TreeImpl::Leaves::kReplaced, unlinked));
    } else {
        RF_CHECK(tree_.context_.quotas.check_object(w, node_->container));
    }
    RF_TRY(NodeRow row, tree_.require(w, node_->id));
    row.attributes.links = 1;
    row.attributes.uid = folder.attributes.uid;
    row.attributes.gid = folder.attributes.gid;
    row.attributes.modified = row.attributes.changed = now;
    row.symlink_target.clear();
    if (!shown_) {  // otherwise it has inherited, and may have been changed since
        RF_TRY([[maybe_unused]] bool inherited, tree_.inherit_acl(w, folder, row));
    }
    RF_CHECK(set_headers(w, row));
    RF_CHECK(set_content_hash(w, row, sha256));
    RF_CHECK(bind(w, row));
    RF_CHECK(w.update_node(row));
    changed.push_back(row);
    RF_CHECK(w.replace_entry(folder_, {name(), row.attributes.node, NodeType::kFile}));
    folder.attributes.modified = folder.attributes.changed = now;
    RF_CHECK(w.update_node(folder));
    changed.push_back(std::move(folder));
    return done();
}

Result<Uploaded> UploadImpl::publish(Bytes sha256) {
    TreeImpl::Folders folders;
    TreeImpl::Unlinked unlinked;
    std::vector<std::shared_ptr<Watcher>> woken;
    Uploaded uploaded;
    auto named = tree_.transact_with_folders(
        folders, path_.size(),
        [&](Writer& w, TreeImpl::Changed& changed) -> Result<void> {
            tree_.settle(unlinked, false);
            unlinked = {};
            return give_name(w, changed, sha256, folders, unlinked);
        },
        [&] {
            tree_.upload_names_.hide(folder_, name(), node_->id);
            MutexLock lock(node_->mutex);
            uploaded = {node_->row.etag, node_->size};
            node_->upload = superseded_ ? Node::Upload::kHidden : Node::Upload::kNone;
            node_->growing = false;
            woken = node_->take_woken();
        });
    tree_.settle(unlinked, named.ok());
    if (!named) return std::move(named).error();
    published_ = true;
    wake_all(woken);
    tree_.watches_.settled(node_->id);
    tree_.watches_.changed(folder_, name());
    leave_order();
    RF_CHECK(tree_.context_.catalog.sync());
    tree_.announce(folders);
    announce_name();
    if (auto* listener = tree_.listener_.load()) {
        if (shown_) listener->content_changed(node_->id);
        if (replaced_) listener->content_changed(*replaced_);
        listener->flush();
    }
    return uploaded;
}

void UploadImpl::abort() {
    std::vector<std::shared_ptr<Watcher>> woken;
    const bool was_shown =
        shown_ && tree_.upload_names_.hide(folder_, name(), node_->id).has_value();
    {
        MutexLock lock(node_->mutex);
        node_->upload = Node::Upload::kAborted;
        if (node_->growing) ++node_->cuts;
        node_->growing = false;
        woken = node_->take_woken();
    }
    wake_all(woken);
    if (!shown_) return;
    TreeImpl::Folders folders;
    auto removed = tree_.transact(
        TreeImpl::Effect::kFrees, [&](Writer& w, TreeImpl::Changed& changed) -> Result<void> {
            return tree_.remove_empty_folders(w, changed, root_, folders_of_path(), folders);
        });
    if (!removed)
        log::warning("a folder made for an upload that failed is left: {}",
                     removed.error().message());
    else
        tree_.announce(folders);
    if (was_shown) announce_name();
}

}  // namespace reelfs::core
