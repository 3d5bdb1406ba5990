// A node in memory: its row as committed, and for a file what has been written since.
//
// Layers of a file's content, newest first; a read takes each byte from the first that has it:
//
//     runs        written, may still change          (memory)
//     batches     frozen, being sealed and committed  (memory; first in, first out)
//     map         committed: slices of extents        (store)
//
// `size` is what readers see; row.attributes.size is what is committed. Committed fields (row, map)
// change only inside the publish step of a catalog transaction, that is under the connection lock
// and `mutex`; a transaction's body may therefore read them.
//
// Lock order: catalog connection > NodeTable shard > Node::mutex. Never call the catalog or the
// store with either of the last two held.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/packs.h"
#include "reelfs/base/error.h"
#include "reelfs/base/mutex.h"
#include "reelfs/catalog/rows.h"
#include "reelfs/content/dirty_runs.h"
#include "reelfs/model/file_map.h"

namespace reelfs::core {

/// Runs frozen together; committed by one transaction, in order with the node's other batches.
struct Batch {
    std::vector<content::DirtyRun> runs;
    std::uint64_t dirty_bytes = 0;  // what the budget counts
    std::uint64_t end = 0;          // of the last run
    std::uint64_t base_size = 0;    // of the file before this batch
    std::uint64_t reserved = 0;     // of the container's quota, until it commits

    // Set by whoever seals it, before `placed`.
    struct Placed {
        Slice slice;
        PlacedExtent extent;
        Buffer inline_bytes;  // when the extent has no pack
        PutMark mark;         // when it has
        Packs::Hold hold;
    };
    std::vector<Placed> extents;
    std::optional<Error> error;
    bool placed = false;  // guarded by the node's mutex
};

/// Waits for a file to grow, end or be cut.
struct Watcher {
    std::uint64_t size = 0;
    std::uint64_t cuts = 0;
    std::function<void()> wake;
    bool fired = false;
    Mutex mutex;  // held while wake runs, so that cancelling waits for it
};

/// Attributes that HTTP sends with the object; "" for none.
struct ObjectHeaders {
    std::string mime_type;      // user.mime_type
    std::string cache_control;  // user.cache_control
};

/// Slices of all maps in memory, for their bound. Shared by a table and its nodes, which may
/// outlive their place in it.
using SliceCount = std::shared_ptr<std::atomic<std::size_t>>;

class Node {
  public:
    Node(catalog::NodeRow committed, SliceCount slices_in_memory)
        : id(committed.attributes.node),
          container(committed.attributes.container),
          row(std::move(committed)),
          slices_in_memory_(std::move(slices_in_memory)) {
        size = row.attributes.size;
    }
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    const NodeId id;
    const ContainerId container;

    mutable Mutex mutex;
    catalog::NodeRow row GUARDED_BY(mutex);
    /// Null until loaded; changed by the calls below only.
    std::shared_ptr<const FileMap> map GUARDED_BY(mutex);
    void load_map(std::shared_ptr<const FileMap> loaded) REQUIRES(mutex);
    /// Readers that hold the present map keep it as it is.
    void edit_map(const MapEdit& edit) REQUIRES(mutex);
    void mark_shared(std::span<const ExtentId> extents) REQUIRES(mutex);

    std::optional<ObjectHeaders> headers GUARDED_BY(mutex);  // while known

    std::uint64_t size GUARDED_BY(mutex) = 0;
    std::optional<Timestamp> written_at GUARDED_BY(mutex);  // newest write that is not committed
    content::DirtyRuns runs GUARDED_BY(mutex);
    std::uint64_t reserved GUARDED_BY(mutex) = 0;  // for `runs`, of the container's quota
    std::deque<std::shared_ptr<Batch>> batches GUARDED_BY(mutex);
    bool committing GUARDED_BY(mutex) = false;
    /// Somebody changes the map (truncates, punches, shares): nothing is frozen meanwhile, because
    /// what a batch fills its edges with must still stand there when it commits.
    bool editing GUARDED_BY(mutex) = false;
    CondVar drained;  // fewer batches, or the end of an edit
    std::optional<Error> failed
        GUARDED_BY(mutex);  // a write was lost: told to every handle until the last is released

    int handles GUARDED_BY(mutex) = 0;
    int writers GUARDED_BY(mutex) = 0;
    bool deleting GUARDED_BY(mutex) = false;  // its row is going or gone
    /// Removed, and nobody has it open: its content is being erased or will be, and must not move.
    bool is_going() const REQUIRES(mutex) {
        return deleting || (row.attributes.links == 0 && handles == 0);
    }
    bool growing GUARDED_BY(mutex) = false;
    /// An upload through HTTP that is not published: without a name, or (STREAMING) shown under one
    /// by UploadNames, or given up.
    enum class Upload { kNone, kHidden, kShown, kAborted };
    Upload upload GUARDED_BY(mutex) = Upload::kNone;
    bool is_unseen_upload() const REQUIRES(mutex) {
        return upload == Upload::kHidden || upload == Upload::kAborted;
    }
    std::uint64_t cuts GUARDED_BY(mutex) =
        0;                                // times that published bytes of a growing file changed
    int followers GUARDED_BY(mutex) = 0;  // readers that began while it grew
    std::list<std::shared_ptr<Watcher>> watchers GUARDED_BY(mutex);

    /// Put, and not yet recorded as durable.
    std::vector<PutMark> unrecorded GUARDED_BY(mutex);
    std::optional<PackId> own_pack GUARDED_BY(mutex);
    std::uint64_t placed_bytes GUARDED_BY(mutex) = 0;  // since it was opened for writing

    /// What stat(2) shows now.
    Attributes live() const REQUIRES(mutex);
    /// How many bytes of a range no layer holds: what writing them all would add.
    std::uint64_t unheld(std::uint64_t offset, std::uint64_t length) const REQUIRES(mutex);
    /// True when nothing would be lost by forgetting this object.
    bool idle() const REQUIRES(mutex);
    /// A change that is not an append: what followers have been sent may no longer be a prefix of
    /// the file.
    void end_growth_by_change() REQUIRES(mutex) {
        if (growing || followers > 0) ++cuts;
        growing = false;
    }
    /// Watchers to wake now that size, growing or cuts changed; wake them with wake_all() after the
    /// lock.
    std::vector<std::shared_ptr<Watcher>> take_woken() REQUIRES(mutex);

  private:
    FileMap& writable_map() REQUIRES(mutex);
    void count_slices() REQUIRES(mutex);

    const SliceCount slices_in_memory_;
    std::size_t slices_counted_ GUARDED_BY(mutex) = 0;
};

void wake_all(const std::vector<std::shared_ptr<Watcher>>& watchers);

/// The nodes in memory. Bounded by their number and by the slices of their maps: idle nodes are
/// forgotten, least recently used first (one file that is in use may go beyond). Thread-safe.
class NodeTable {
  public:
    NodeTable(std::size_t entries_max, std::size_t slices_max)
        : shard_entries_max_(entries_max / kShards), slices_max_(slices_max) {}

    /// Null when not in memory.
    std::shared_ptr<Node> find(NodeId id);
    /// The node in memory, or a new one from `row`. Only inside a catalog transaction or read,
    /// where `row` cannot be stale.
    std::shared_ptr<Node> adopt(const catalog::NodeRow& row);
    void forget(NodeId id);
    std::size_t size() const;
    /// Slices of the maps in memory.
    std::size_t slices() const { return slices_->load(std::memory_order_relaxed); }
    /// Forgets idle nodes until the maps keep to their bound. Call after loading a map.
    void bound_slices();

  private:
    struct Slot {
        std::shared_ptr<Node> node;
        std::list<NodeId>::iterator place;
    };
    struct Shard {
        mutable Mutex mutex;
        std::unordered_map<NodeId, Slot> slots GUARDED_BY(mutex);
        std::list<NodeId> order GUARDED_BY(mutex);  // most recent first
    };
    static constexpr std::size_t kShards = 16;
    Shard& shard_of(NodeId id) { return shards_[std::hash<NodeId>{}(id) & (kShards - 1)]; }
    void evict(Shard& shard, std::size_t entries_max) REQUIRES(shard.mutex);

    const std::size_t shard_entries_max_;
    const std::size_t slices_max_;
    const SliceCount slices_ = std::make_shared<std::atomic<std::size_t>>(0);
    std::array<Shard, kShards> shards_;
};

}  // namespace reelfs::core
