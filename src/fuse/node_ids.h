// Node numbers of the kernel and of the tree. They are the same, but for the root of the mount:
// FUSE calls it 1, and with -o container=NAME it is the container's root node. That node's own
// number never reaches the kernel then, and the tree's root (1) appears nowhere inside.
#pragma once

#include <cstdint>
#include <optional>

#include "reelfs/model/ids.h"

namespace reelfs::fuse {

class NodeIds {
  public:
    static constexpr std::uint64_t kMountRoot = 1;  // FUSE_ROOT_ID

    explicit NodeIds(NodeId root) : root_(root) {}

    NodeId root() const { return root_; }
    NodeId node_of(std::uint64_t ino) const { return ino == kMountRoot ? root_ : NodeId{ino}; }
    std::uint64_t ino_of(NodeId node) const { return node == root_ ? kMountRoot : node.value(); }

    /// For nodes that others name (changes through another door): nothing when the node has no
    /// place in this mount, because it is the tree's root and the mount shows one container.
    std::optional<std::uint64_t> visible_ino_of(NodeId node) const {
        if (node == kRootNode && root_ != kRootNode) return std::nullopt;
        return ino_of(node);
    }
    /// What ".." of the mount's root is: itself.
    std::uint64_t parent_ino_of(NodeId directory, NodeId parent) const {
        return directory == root_ ? kMountRoot : ino_of(parent);
    }

  private:
    NodeId root_;
};

}  // namespace reelfs::fuse
