// The Tree over catalog and content. One file per family of operations: tree_names.cc,
// tree_attributes.cc, tree_directories.cc, tree_content.cc, tree_xattrs.cc, tree_acls.cc,
// tree_containers.cc, tree_documents.cc, tree_objects.cc, tree_uploads.cc, tree_items.cc.
//
// A metadata operation is one catalog transaction: rows are read, checked and written inside it, so
// operations never see each other half done, and publication to nodes in memory follows in commit
// order.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/context.h"
#include "core/expiry_alarm.h"
#include "core/files.h"
#include "core/known_nodes.h"
#include "core/name_watches.h"
#include "core/upload_names.h"
#include "core/upload_order.h"
#include "reelfs/core/tree.h"
#include "reelfs/model/posix_acl.h"

namespace reelfs::core {

class OpenFile {
  public:
    OpenFile(std::shared_ptr<Node> n, OpenFlags f) : node(std::move(n)), flags(f) {}
    const std::shared_ptr<Node> node;
    const OpenFlags flags;
};

class OpenDirectory {
  public:
    explicit OpenDirectory(NodeId id) : node(id) {}
    const NodeId node;

    Mutex mutex;
    /// Offset (position after an entry) -> that entry's name: where a listing can go on.
    std::map<std::uint64_t, std::string> places GUARDED_BY(mutex);
};

class TreeImpl final : public Tree {
  public:
    TreeImpl(Context& context, Files& files)
        : context_(context), files_(files), expiry_alarm_(context.clock) {}

    Result<Attributes> lookup(NodeId parent, std::string_view name) override;
    Result<Attributes> lookup_and_remember(NodeId parent, std::string_view name) override;
    void remember(NodeId node) override { known_.remember(node); }
    void forget(NodeId node, std::uint64_t times) override;
    void forget_all() override;
    Result<Attributes> attributes(NodeId node) override;
    Result<NodeId> parent_of(NodeId directory) override;
    Result<Attributes> resolve(NodeId from, const Components& path) override;
    Result<Attributes> make_directory(const Caller& caller, NodeId parent, std::string_view name,
                                      std::uint32_t mode) override;
    Result<Attributes> make_node(const Caller& caller, NodeId parent, std::string_view name,
                                 const NewNode& what) override;
    Result<Attributes> make_symlink(const Caller& caller, NodeId parent, std::string_view name,
                                    std::string_view target) override;
    Result<Created> create(const Caller& caller, NodeId parent, std::string_view name,
                           std::uint32_t mode, OpenFlags flags) override;
    Result<Attributes> link(NodeId node, NodeId parent, std::string_view name) override;
    Result<void> unlink(NodeId parent, std::string_view name) override;
    Result<void> remove_directory(NodeId parent, std::string_view name) override;
    Result<void> rename(NodeId source_parent, std::string_view source_name, NodeId target_parent,
                        std::string_view target_name, RenameMode mode) override;
    Result<std::string> read_link(NodeId node) override;
    Result<Attributes> change(const Caller& caller, NodeId node,
                              const AttributeChange& change) override;

    Result<std::shared_ptr<OpenDirectory>> open_directory(NodeId node) override;
    Result<void> list(OpenDirectory& directory, std::uint64_t offset, bool with_attributes,
                      const std::function<bool(const Listed&)>& take) override;

    Result<std::shared_ptr<OpenFile>> open(NodeId node, OpenFlags flags) override;
    NodeId node_of(const OpenFile& file) const override { return file.node->id; }
    bool grows_elsewhere(const OpenFile& file) const override {
        MutexLock lock(file.node->mutex);
        return file.node->upload == Node::Upload::kShown;
    }
    Result<std::size_t> read(OpenFile& file, std::uint64_t offset, MutableBytes out) override;
    Result<void> write(const Caller& caller, OpenFile& file, std::uint64_t offset,
                       Bytes bytes) override;
    Result<void> flush(OpenFile& file) override;
    Result<void> fsync(OpenFile& file) override;
    void release(std::shared_ptr<OpenFile> file) override;
    Result<void> allocate(const Caller& caller, OpenFile& file, AllocateMode mode,
                          std::uint64_t offset, std::uint64_t length) override;
    Result<std::uint64_t> seek(OpenFile& file, SeekTo what, std::uint64_t offset) override;
    Result<std::uint64_t> copy_range(const Caller& caller, OpenFile& source,
                                     std::uint64_t source_offset, OpenFile& target,
                                     std::uint64_t target_offset, std::uint64_t length) override;

    Result<std::vector<std::byte>> get_xattr(NodeId node, std::string_view name) override;
    Result<std::vector<std::string>> list_xattrs(NodeId node) override;
    Result<void> set_xattr(NodeId node, std::string_view name, Bytes value, XattrMode mode,
                           SetGid sgid) override;
    Result<void> remove_xattr(NodeId node, std::string_view name) override;

    Result<Space> space(NodeId at) override;
    Result<void> sync_metadata() override;
    Result<void> sync() override;

    Result<ContainerInfo> create_container(const Caller& caller, std::string_view name,
                                           const ContainerOptions& options) override;
    Result<std::vector<ContainerInfo>> containers() override;
    Result<ContainerInfo> container(std::string_view name) override;
    Result<ContainerInfo> set_quota(std::string_view name, const QuotaChange& change) override;
    Result<void> delete_container(std::string_view name) override;
    Result<void> put_document(std::string_view container, DocumentKind kind,
                              std::string_view body) override;
    Result<std::optional<std::string>> document(std::string_view container,
                                                DocumentKind kind) override;
    Result<bool> delete_document(std::string_view container, DocumentKind kind) override;
    CorsDecision decide_cors(std::string_view container, const CorsRequest& request) const override;
    std::optional<std::string> container_at(std::string_view endpoint_id) const override {
        return context_.containers.at_endpoint(endpoint_id);
    }

    Result<std::shared_ptr<ObjectReader>> open_object(const AccessRequest& request,
                                                      std::string_view container,
                                                      const Components& path) override;
    WatchedObject watch_object(const AccessRequest& request, std::string_view container,
                               const Components& path, std::function<void()> wake) override;
    Absence absence(std::string_view container, const Components& path) override;
    bool may_access(const AccessRequest& request, std::string_view container,
                    const Components& path) override;
    std::shared_ptr<ObjectReader> open_object_cached(const AccessRequest& request,
                                                     std::string_view container,
                                                     const Components& path) override;
    std::uint64_t draw_ticket() override;
    void await_ticket(std::uint64_t ticket) override;
    void confirm_ticket(std::uint64_t ticket) override;
    void drop_ticket(std::uint64_t ticket) override { upload_order_.drop(ticket); }
    Result<std::unique_ptr<Upload>> begin_upload(std::string_view container, const Components& path,
                                                 const UploadOptions& options) override;
    Result<void> delete_object(std::string_view container, const Components& path) override;
    Result<std::unique_ptr<Deletion>> begin_delete(std::string_view container,
                                                   const Components& path,
                                                   std::uint64_t ticket) override;
    Result<ItemPage> list_items(std::string_view container, const Components& folder,
                                std::string_view after, std::size_t max) override;

    void set_change_listener(ChangeListener* listener) override { listener_.store(listener); }
    std::vector<Gauge> gauges() const override;

    /// Removes nodes without links that nobody uses: after release, at start, and for big deletes.
    /// One step at a time.
    Result<void> reap(NodeId node);
    /// reap() for all that wait for it; those that cannot go now wait on, and the first error of
    /// them is returned. For the background thread; another waits for what that is at.
    Result<void> reap_all() EXCLUDES(reaping_mutex_);
    /// Takes away what is due, at most so many rows of the queue, in one transaction. For the
    /// expiry thread.
    struct Expired {
        bool more = false;              // due now
        std::optional<Timestamp> next;  // otherwise
    };
    Result<Expired> expire_due(int rows_max);
    /// What is due first cannot be taken away: lets the others go before it.
    Result<void> put_off_expiry();
    /// Tells the listener; may wait for it.
    void tell_names(const std::vector<ExpiryAlarm::Name>& names);
    ExpiryAlarm& expiry_alarm() { return expiry_alarm_; }
    /// For work on a node's content beside its users: kNotFound or kStale when it is gone.
    Result<std::shared_ptr<Node>> find_node(NodeId node) { return load(node); }
    void drop_handle(const std::shared_ptr<Node>& node, bool writer);
    /// Of an ObjectReader: never blocks; a removed file's last one leaves it to the background.
    void drop_reader(const std::shared_ptr<Node>& node, bool follower);

  private:
    friend class ObjectReaderImpl;
    friend class UploadImpl;

    /// Rows changed by a transaction, published to the nodes in memory when it has committed.
    using Changed = std::vector<catalog::NodeRow>;
    void publish(const Changed& changed);
    /// Runs a transaction; on a full disk releases the reserve once when `frees` (deletes must work
    /// at 100 %).
    enum class Effect { kAdds, kFrees };
    Result<void> transact(Effect effect,
                          const std::function<Result<void>(catalog::Writer&, Changed&)>& body,
                          const std::function<void()>& published = {});

    Result<catalog::NodeRow> require(catalog::Reader& r, NodeId node) const;
    Result<catalog::NodeRow> require_directory(catalog::Reader& r, NodeId node) const;
    bool visible(const Attributes& attributes) const;
    Attributes live(const catalog::NodeRow& row);
    /// The node in memory, loaded from the catalog if need be.
    Result<std::shared_ptr<Node>> load(NodeId node);

    catalog::NodeRow fresh_row(const Caller& caller, NodeId id, const catalog::NodeRow& parent,
                               NodeType type, std::uint32_t mode) const;
    /// Gives a new node what its parent's default access control list says; false when there is
    /// none. `row` is the caller's to write.
    Result<bool> inherit_acl(catalog::Writer& w, const catalog::NodeRow& parent,
                             catalog::NodeRow& row) const;
    /// Inserts a fresh row with the mode and the access control lists that its maker and its parent
    /// give it.
    Result<void> insert_child(catalog::Writer& w, const Caller& caller,
                              const catalog::NodeRow& parent, catalog::NodeRow& row) const;
    /// Sets `row`'s mode and keeps its access control list in step. The row is the caller's to
    /// write.
    Result<void> set_mode(catalog::Writer& w, catalog::NodeRow& row, std::uint32_t mode) const;
    /// A change that left every byte as it was.
    Result<void> touch(const std::shared_ptr<Node>& node);
    /// Before somebody without privilege changes the content: what is written must not give any.
    Result<void> drop_privileges(const std::shared_ptr<Node>& node, const Caller& caller);
    Result<void> drop_privileges(const std::shared_ptr<Node>& node,
                                 const std::function<bool(std::uint32_t group)>& is_member);
    /// An access control list from outside; `row` is the caller's to write.
    Result<void> set_acl(catalog::Writer& w, catalog::NodeRow& row, std::string_view name,
                         Bytes value, SetGid sgid) const;
    /// The node that a name leads to: an upload shown under it, else the catalog's.
    Result<std::optional<NodeId>> entry(catalog::Reader& r, NodeId parent, std::string_view name) {
        if (auto shown = upload_names_.find(parent, name)) return shown;
        return r.entry(parent, name);
    }
    /// An upload shown under this name is so no longer; it goes on unseen. In a publish step.
    void hide_upload(NodeId parent, std::string_view name);
    Result<bool> is_empty(catalog::Reader& r, NodeId directory);
    Result<void> add_entry(catalog::Writer& w, Changed& changed, catalog::NodeRow parent,
                           std::string_view name, const catalog::NodeRow& child);
    /// `adopted`, if any, gets the new node in memory, before anybody else can see it.
    Result<Attributes> make(const Caller& caller, NodeId parent, std::string_view name,
                            const NewNode& what, std::string_view symlink_target,
                            const std::function<void(const std::shared_ptr<Node>&)>& adopted);
    /// One link of `row` has gone inside a transaction: keep it, make it an orphan, or delete it.
    struct Unlinked {
        std::shared_ptr<Node> marked;  // `deleting` was set: take it back if the transaction fails
        /// A handle of it was counted: whoever leaves last meanwhile does not see yet that it has
        /// no links. To be dropped, or kept for a kernel that knows it.
        std::shared_ptr<Node> held;
        bool kernel_knows = false;
        std::optional<Attributes> deleted;
        std::optional<NodeId> reapable;
    };
    enum class Leaves { kRemoved, kReplaced };  // its name goes, or leads elsewhere
    Result<void> drop_link(catalog::Writer& w, Changed& changed, catalog::NodeRow row,
                           Leaves leaves, Unlinked& unlinked);
    void settle(const Unlinked& unlinked, bool committed);
    /// A node's row has gone; these were its attributes.
    void node_gone(Attributes last);
    Result<void> unlink_in(catalog::Writer& w, Changed& changed, NodeId parent,
                           std::string_view name, Unlinked& unlinked);
    Result<bool> is_inside(catalog::Reader& r, NodeId directory, NodeId ancestor) const;
    Result<void> rename_in(catalog::Writer& w, Changed& changed, NodeId source_parent,
                           std::string_view source_name, NodeId target_parent,
                           std::string_view target_name, RenameMode mode, bool content_synced,
                           Unlinked& unlinked);
    Result<ContainerInfo> info_of(catalog::Reader& r, const catalog::ContainerRow& row,
                                  std::string name) const;
    /// Whether the name leads to an upload that grows, and has not expired.
    Result<bool> shows_upload(catalog::Reader& r, NodeId folder, std::string_view name) const;
    /// The root of a container, or kNotFound.
    Result<catalog::NodeRow> container_root(catalog::Reader& r, std::string_view name);

    // Expiry
    /// The names of a directory and those above it, below its container.
    Result<Components> path_of(catalog::Reader& r, NodeId directory) const;
    /// A file gets this name now: by the rules in force it comes under an expiry, or leaves the one
    /// it was under. The node's row is the caller's to write.
    Result<void> bind_expiry(catalog::Writer& w, catalog::NodeRow& row, NodeId folder,
                             std::string_view name);
    Result<void> bind_renamed(catalog::Writer& w, catalog::NodeRow& row, NodeId folder,
                              std::string_view name);
    /// A file begins anew, under its name (O_TRUNC): so does its age.
    Result<void> restart_age(NodeId node);
    /// Takes away what has expired under this name, so that the name is free.
    Result<void> clear_expired(catalog::Writer& w, Changed& changed, NodeId folder,
                               std::string_view name, Unlinked& unlinked);
    /// The same for all of the directory of this name, if it is one, up to the first that is there:
    /// what has expired does not make it full.
    Result<void> clear_expired_below(NodeId parent, std::string_view name);
    Result<void> look_for_names(catalog::Writer& w, const catalog::NodeRow& row);
    Result<bool> goes_now(catalog::Writer& w, const catalog::ExpiryRow& queued, Timestamp now);

    /// What ListItems tells of an entry; nothing when it is not told.
    Result<std::optional<Item>> item_of(catalog::Reader& r, const catalog::EntryWithNode& entry);

    // Folders that uploads make and that vanish when they are emptied
    struct Folders {
        std::vector<NodeId> ids;  // for those to be made
        bool ids_wanted = false;  // there were too few
        struct Name {
            NodeId parent;
            std::string name;
        };
        std::optional<Name> first_made;  // those below it are new with it
        std::optional<Name> last_removed;
        std::vector<Attributes> removed;
    };
    Result<catalog::NodeRow> make_folders(catalog::Writer& w, Changed& changed,
                                          catalog::NodeRow root, std::span<const std::string> path,
                                          Folders& folders);
    Result<void> remove_empty_folders(catalog::Writer& w, Changed& changed, NodeId root,
                                      std::span<const std::string> path, Folders& folders);
    /// Runs a transaction that makes folders, with ids for them.
    Result<void> transact_with_folders(
        Folders& folders, std::size_t depth,
        const std::function<Result<void>(catalog::Writer&, Changed&)>& body,
        const std::function<void()>& published);
    /// Tells the listener; does not wait for it.
    void announce(const Folders& folders);
    // As a mount's mkdir and rmdir of its top level: that mount is told as well, and not waited
    // for.
    Result<ContainerInfo> add_container(const Caller& caller, std::string_view name,
                                        const ContainerOptions& options);
    Result<void> remove_container(std::string_view name);

    struct Resolved;
    /// What has no links and no handles left is to be reaped: marks it.
    static bool becomes_orphan(Node& node) REQUIRES(node.mutex);
    void reap_later(NodeId node);
    Result<Attributes> find_entry(NodeId parent, std::string_view name,
                                  const std::function<void(NodeId)>& found_it);
    /// Gives back the room of what was replaced in a container and is kept for a kernel only. False
    /// when there is nothing of that kind.
    bool let_replaced_go(ContainerId container);
    /// `call`; and once more when that can make it fit its container's quota.
    template <class Call>
    auto within_quota(ContainerId container, const Call& call) {
        auto result = call();
        if (!result && result.error().code() == Errc::kQuota && let_replaced_go(container))
            return call();
        return result;
    }
    Delivery delivery_of(ContainerId container, const Components& path) const;
    using WatchPtr = std::shared_ptr<NameWatches::Watch>;
    /// `watch`, if any, is laid on every name on the way before it is looked at.
    Result<Resolved> resolve_object(const AccessRequest& request, std::string_view container,
                                    const Components& path, const WatchPtr& watch);
    Result<std::shared_ptr<ObjectReader>> open_watched(const AccessRequest& request,
                                                       std::string_view container,
                                                       const Components& path,
                                                       const WatchPtr& watch);

    Context& context_;
    Files& files_;
    std::atomic<ChangeListener*> listener_{nullptr};
    std::atomic<std::uint64_t> open_files_{0};
    Mutex reaping_mutex_;  // held through a reap_all(), before any other
    Mutex reapable_mutex_;
    std::vector<NodeId> reapable_ GUARDED_BY(reapable_mutex_);
    KnownNodes known_;
    UploadNames upload_names_;
    NameWatches watches_;
    ExpiryAlarm expiry_alarm_;
    UploadOrder upload_order_;
    std::atomic<std::uint64_t> last_ticket_{0};
};

}  // namespace reelfs::core
