// The nodes that one answer tells the kernel of: remembered by the tree before the answer leaves,
// since FORGET may come right behind it; and forgotten again when it never got there.
#pragma once

#include <vector>

#include "reelfs/core/tree.h"

namespace reelfs::fuse {

class ToldNodes {
  public:
    explicit ToldNodes(core::Tree& tree) : tree_(tree) {}
    ToldNodes(const ToldNodes&) = delete;
    ToldNodes& operator=(const ToldNodes&) = delete;
    ~ToldNodes() {
        for (const NodeId node : nodes_) tree_.forget(node, 1);
    }

    void add(NodeId node) {
        nodes_.emplace_back();  // first: nothing fails between the next two
        tree_.remember(node);
        nodes_.back() = node;
    }
    /// One that the tree has remembered.
    void add_remembered(NodeId node) { nodes_.push_back(node); }
    /// What the kernel has heard of it forgets itself.
    void arrived(bool did) {
        if (did) nodes_.clear();
    }

  private:
    core::Tree& tree_;
    std::vector<NodeId> nodes_;
};

}  // namespace reelfs::fuse
