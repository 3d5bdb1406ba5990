// A tree that lets a test act between two calls: what somebody else does while a container is
// exported. It passes on what an export asks for; all else is kUnsupported.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/unsupported_tree.h"

namespace reelfs::app::test {

class HookedTree final : public reelfs::test::UnsupportedTree {
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
    NodeId node_of(const core::OpenFile& file) const override { return tree_.node_of(file); }

  private:
    static Result<void> call(const Hook& hook, NodeId node) { return hook ? hook(node) : done(); }

    core::Tree& tree_;
};

}  // namespace reelfs::app::test
