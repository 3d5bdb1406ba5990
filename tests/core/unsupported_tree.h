// A tree that can do nothing, for trees that a test makes up: those override what it asks for. What
// returns a Result is kUnsupported, what returns anything else answers with nothing, false or 0.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/core/tree.h"

namespace reelfs::test {

class UnsupportedTree : public core::Tree {
  public:
    Result<void> flush(core::OpenFile&) override { return no(); }
    Result<Attributes> attributes(NodeId) override { return no(); }
    Result<std::size_t> read(core::OpenFile&, std::uint64_t, MutableBytes) override { return no(); }
    Result<Attributes> lookup(NodeId, std::string_view) override { return no(); }
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
    Result<std::string> read_link(NodeId) override { return no(); }
    Result<Attributes> change(const Caller&, NodeId, const core::AttributeChange&) override {
        return no();
    }
    Result<Attributes> lookup_and_remember(NodeId, std::string_view) override { return no(); }
    void remember(NodeId) override {}
    void forget(NodeId, std::uint64_t) override {}
    void forget_all() override {}
    Result<std::shared_ptr<core::OpenDirectory>> open_directory(NodeId) override { return no(); }
    Result<void> list(core::OpenDirectory&, std::uint64_t, bool,
                      const std::function<bool(const Listed&)>&) override {
        return no();
    }
    Result<std::shared_ptr<core::OpenFile>> open(NodeId, core::OpenFlags) override { return no(); }
    NodeId node_of(const core::OpenFile&) const override { return kRootNode; }
    bool grows_elsewhere(const core::OpenFile&) const override { return false; }
    Result<void> write(const Caller&, core::OpenFile&, std::uint64_t, Bytes) override {
        return no();
    }
    Result<void> fsync(core::OpenFile&) override { return no(); }
    void release(std::shared_ptr<core::OpenFile>) override {}
    Result<void> allocate(const Caller&, core::OpenFile&, core::AllocateMode, std::uint64_t,
                          std::uint64_t) override {
        return no();
    }
    Result<std::uint64_t> seek(core::OpenFile&, core::SeekTo, std::uint64_t) override {
        return no();
    }
    Result<std::uint64_t> copy_range(const Caller&, core::OpenFile&, std::uint64_t, core::OpenFile&,
                                     std::uint64_t, std::uint64_t) override {
        return no();
    }
    Result<std::vector<std::byte>> get_xattr(NodeId, std::string_view) override { return no(); }
    Result<std::vector<std::string>> list_xattrs(NodeId) override { return no(); }
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
    Result<core::ContainerInfo> container(std::string_view) override { return no(); }
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
    static Error no() { return Error(Errc::kUnsupported, "not with the tree of this test"); }
};

}  // namespace reelfs::test
