// Nodes that a kernel knows by number: FUSE's lookup counts. What is replaced under such a name, by
// a rename or an upload, is kept, without a name, until the kernel has forgotten it: whoever opens
// the name at that moment may have been led to either file, and gets it.
//
// Only what is replaced is kept. What is removed gives its room back at once, and who comes by its
// name finds none; what the kernel still refers to (a working directory, O_PATH) is told its
// attributes as they were in the end.
//
// What is kept is an orphan of the catalog with one handle more: if FORGET never comes, it goes
// with the mount, or with the next start, as what a program held open does.
//
// Thread-safe. Lock order: everything else > this.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/node.h"
#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

class KnownNodes {
  public:
    /// Known once more.
    void remember(NodeId node);
    bool knows(NodeId node) const;
    /// Keeps a node, and with it a handle that the caller has counted. False when it is no longer
    /// known: the handle stays the caller's to drop.
    [[nodiscard]] bool keep(std::shared_ptr<Node> node);
    /// The last attributes of a node that has gone; nothing is done when it is not known.
    void note_removed(const Attributes& last);
    std::optional<Attributes> removed(NodeId node) const;

    // These give back the nodes that are no longer kept: the caller drops their handles.
    /// Known `times` times less. Null when it was not kept, or is still known.
    [[nodiscard]] std::shared_ptr<Node> forget(NodeId node, std::uint64_t times);
    [[nodiscard]] std::vector<std::shared_ptr<Node>> forget_all();
    /// Those of a container: known as before, but kept no longer.
    [[nodiscard]] std::vector<std::shared_ptr<Node>> take_kept(ContainerId container);

    struct Counts {
        std::size_t known = 0, kept = 0;
    };
    Counts counts() const;

  private:
    struct Shard {
        mutable Mutex mutex;
        std::unordered_map<NodeId, std::uint64_t> times GUARDED_BY(mutex);
        std::unordered_map<NodeId, std::shared_ptr<Node>> kept GUARDED_BY(mutex);
        std::unordered_map<NodeId, Attributes> removed GUARDED_BY(mutex);
    };
    static constexpr std::size_t kShards = 16;
    Shard& shard_of(NodeId node) { return shards_[node.value() % kShards]; }
    const Shard& shard_of(NodeId node) const { return shards_[node.value() % kShards]; }

    std::array<Shard, kShards> shards_;
};

}  // namespace reelfs::core
