// An upload and the node its bytes go to. Counts as a writer and a handle of the node, which keeps
// the node while it has no name.
#pragma once

#include <memory>
#include <string>

#include "core/tree_impl.h"
#include "reelfs/core/upload.h"

namespace reelfs::core {

class UploadImpl final : public Upload {
  public:
    UploadImpl(TreeImpl& tree, std::shared_ptr<Node> node, NodeId root, Components path,
               UploadOptions options);
    ~UploadImpl() override;

    Result<void> append(Bytes bytes) override;
    void waits() override;
    void goes_on() override;
    void complete() override;
    Result<void> make_durable() override;
    Turn turn(std::function<void()> wake) override;
    Result<Uploaded> publish(Bytes sha256) override;

  private:
    using NodeRow = catalog::NodeRow;
    using Writer = catalog::Writer;

    std::span<const std::string> folders_of_path() const {
        return std::span(path_).first(path_.size() - 1);
    }
    const std::string& name() const { return path_.back(); }
    Result<void> show();
    Result<void> set_headers(Writer& w, NodeRow& row);
    Result<void> bind(Writer& w, NodeRow& row);
    Result<void> give_name(Writer& w, TreeImpl::Changed& changed, Bytes sha256,
                           TreeImpl::Folders& folders, TreeImpl::Unlinked& unlinked);
    bool is_newer(const NodeRow& existing) const;
    void leave_order();
    void announce_name();
    void abort();

    TreeImpl& tree_;
    const std::shared_ptr<Node> node_;
    const NodeId root_;  // the container's
    const Components path_;
    const UploadOptions options_;
    const UploadOrder::Folder place_;
    std::uint64_t size_ = 0;
    NodeId folder_;  // once it is known
    bool shown_ = false;
    bool in_order_ = true;
    bool published_ = false;
    bool superseded_ = false;
    std::optional<NodeId> replaced_;
};

}  // namespace reelfs::core
