// A tree that lets a test act between two calls: what somebody else does while a container is
// exported. It passes on what an export asks for; all else is kUnsupported.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reelfs/core/tree.h"

namespace reelfs::app::test {

class HookedTree final : public core::Tree {
  public:
    explicit HookedTree(core::Tree& tree) : tree_(tree) {}

    /// Each is called, where set, before the call of its name, and may fail in its place.
    using Hook = std::function<Result<void>(NodeId)>;
    Hook before_open, before_read_link, before_list_xattrs, before_seek_hole, before_open_directory;
    std::function<Result<void>(std::uint64_t offset, std::size_t size)> before_read;

    Result<core::ContainerInfo> container(std::string_view name) override {
        return tree_.container(name);
    }
    Result<Attributes> attributes(NodeId node) override { return tree_.attributes(node); }
    Result<std::shared_ptr<core::OpenDirectory>> open_directory(NodeId node) override {
        RF_CHECK(call(before_open_directory, node));
        return tree_.open_directory(node);
    }
    Result<void> list(core::OpenDirectory& directory, std::uint64_t offset, bool with_attributes,
                      const std::function<bool(const Listed&)>& take) override {
        return tree_.list(directory, offset, with_attributes, take);
    }
    Result<std::string> read_link(NodeId node) override {
        RF_CHECK(call(before_read_link, node));
        return tree_.read_link(node);
    }
    Result<std::vector<std::string>> list_xattrs(NodeId node) override {
        RF_CHECK(call(before_list_xattrs, node));
        return tree_.list_xattrs(node);
    }
    Result<std::vector<std::byte>> get_xattr(NodeId node, std::string_view name) override {
        return tree_.get_xattr(node, name);
    }
    Result<std::shared_ptr<core::OpenFile>> open(NodeId node, core::OpenFlags flags) override {
        RF_CHECK(call(before_open, node));
        return tree_.open(node, flags);
    }
    void release(std::shared_ptr<core::OpenFile> file) override { tree_.release(std::move(file)); }
    Result<std::uint64_t> seek(core::OpenFile& file, core::SeekTo what,
                               std::uint64_t offset) override {
        if (what == core::SeekTo::kHole) RF_CHECK(call(before_seek_hole, tree_.node_of(file)));
        return tree_.seek(file, what, offset);
    }
    Result<std::size_t> read(core::OpenFile& file, std::uint64_t offset,
                             MutableBytes out) override {
        if (before_read) RF_CHECK(before_read(offset, out.size()));
        return tree_.read(file, offset, out);
    }

    // Not for an export
    Result<Attributes> lookup(NodeId, std::string_view) override { return no(); }
    Result<Attributes> lookup_and_remember(NodeId, std::string_view) override { return no(); }
    void remember(NodeId) override {}
    void forget(NodeId, std::uint64_t) override {}
    void forget_all() override {}
    Result<NodeId> parent_of(NodeId) override { return no(); }
    Result<Attributes> resolve(NodeId, const Components&) override { return no(); }
    Result<Attributes> make_directory(const Caller&, NodeId, std::string_view,
                                      std::uint32_t) override {
        return no();
    }
    Result<Attributes> make_node(const Caller&, NodeId, std::string_view,
                                 const core::NewNode&) override {
        return no();
    }
    Result<Attributes> make_symlink(const Caller&, NodeId, std::string_view,
                                    std::string_view) override {
        return no();
    }
    Result<core::Created> create(const Caller&, NodeId, std::string_view, std::uint32_t,
                                 core::OpenFlags) override {
        return no();
    }
    Result<Attributes> link(NodeId, NodeId, std::string_view) override { return no(); }
    Result<void> unlink(NodeId, std::string_view) override { return no(); }
    Result<void> remove_directory(NodeId, std::string_view) override { return no(); }
    Result<void> rename(NodeId, std::string_view, NodeId, std::string_view,
                        core::RenameMode) override {
        return no();
    }
    Result<Attributes> change(const Caller&, NodeId, const core::AttributeChange&) override {
        return no();
    }
    NodeId node_of(const core::OpenFile& file) const override { return tree_.node_of(file); }
    bool grows_elsewhere(const core::OpenFile&) const override { return false; }
    Result<void> write(const Caller&, core::OpenFile&, std::uint64_t, Bytes) override {
        return no();
    }
    Result<void> flush(core::OpenFile&) override { return no(); }
    Result<void> fsync(core::OpenFile&) override { return no(); }
    Result<void> allocate(const Caller&, core::OpenFile&, core::AllocateMode, std::uint64_t,
                          std::uint64_t) override {
        return no();
    }
    Result<std::uint64_t> copy_range(const Caller&, core::OpenFile&, std::uint64_t, core::OpenFile&,
                                     std::uint64_t, std::uint64_t) override {
        return no();
    }
    Result<void> set_xattr(NodeId, std::string_view, Bytes, core::XattrMode,
                           core::SetGid) override {
        return no();
    }
    Result<void> remove_xattr(NodeId, std::string_view) override { return no(); }
    Result<core::Space> space(NodeId) override { return no(); }
    Result<void> sync_metadata() override { return no(); }
    Result<void> sync() override { return no(); }
    Result<core::ContainerInfo> create_container(const Caller&, std::string_view,
                                                 const core::ContainerOptions&) override {
        return no();
    }
    Result<std::vector<core::ContainerInfo>> containers() override { return no(); }
    Result<core::ContainerInfo> set_quota(std::string_view, const core::QuotaChange&) override {
        return no();
    }
    Result<void> delete_container(std::string_view) override { return no(); }
    Result<void> put_document(std::string_view, DocumentKind, std::string_view) override {
        return no();
    }
    Result<std::optional<std::string>> document(std::string_view, DocumentKind) override {
        return no();
    }
    Result<bool> delete_document(std::string_view, DocumentKind) override { return no(); }
    CorsDecision decide_cors(std::string_view, const CorsRequest&) const override { return {}; }
    std::optional<std::string> container_at(std::string_view) const override { return {}; }
    Result<std::shared_ptr<core::ObjectReader>> open_object(const AccessRequest&, std::string_view,
                                                            const Components&) override {
        return no();
    }
    WatchedObject watch_object(const AccessRequest&, std::string_view, const Components&,
                               std::function<void()>) override {
        return {no(), nullptr};
    }
    std::shared_ptr<core::ObjectReader> open_object_cached(const AccessRequest&, std::string_view,
                                                           const Components&) override {
        return {};
    }
    Absence absence(std::string_view, const Components&) override { return {}; }
    bool may_access(const AccessRequest&, std::string_view, const Components&) override {
        return false;
    }
    std::uint64_t draw_ticket() override { return 0; }
    void await_ticket(std::uint64_t) override {}
    void confirm_ticket(std::uint64_t) override {}
    void drop_ticket(std::uint64_t) override {}
    Result<std::unique_ptr<core::Upload>> begin_upload(std::string_view, const Components&,
                                                       const core::UploadOptions&) override {
        return no();
    }
    Result<void> delete_object(std::string_view, const Components&) override { return no(); }
    Result<std::unique_ptr<core::Deletion>> begin_delete(std::string_view, const Components&,
                                                         std::uint64_t) override {
        return no();
    }
    Result<core::ItemPage> list_items(std::string_view, const Components&, std::string_view,
                                      std::size_t) override {
        return no();
    }
    void set_change_listener(core::ChangeListener*) override {}
    std::vector<Gauge> gauges() const override { return {}; }

  private:
    static Error no() { return Error(Errc::kUnsupported, "not for an export"); }
    static Result<void> call(const Hook& hook, NodeId node) { return hook ? hook(node) : done(); }

    core::Tree& tree_;
};

}  // namespace reelfs::app::test
