// Content of files: write, read, make durable, shrink. The write path of every door.
//
//     write > runs (memory) > freeze > batch > seal, put in packs (pool) > commit in order > map
//
// A batch commits by one catalog transaction. Changes of the map that write nothing (truncate,
// punch, share) are edits: one at a time for a node, and with no batch under way. The ordering trap
// (a committed row whose pack bytes a power cut drops): a transaction may name extents that are not
// synced only at or beyond the node's committed size; a batch that touches bytes inside it syncs
// its packs first. Extents in the catalog itself need none of this.
//
// Threads: any; `seal` threads do most sealing. No lock is held across sealing, disk or a wait for
// room.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <unordered_set>

#include "core/context.h"
#include "core/seal_pool.h"
#include "core/write_rows.h"

namespace reelfs::core {

class Files {
  public:
    explicit Files(Context& context);
    ~Files();

    /// Loads the map if it is not in memory. Call before anything below.
    Result<void> ensure_map(Node& node);

    Result<void> write(const std::shared_ptr<Node>& node, std::uint64_t offset, Bytes bytes);
    /// Bytes that exist; fewer than asked only at the end.
    Result<std::size_t> read(Node& node, std::uint64_t offset, MutableBytes out,
                             content::Caching caching);
    /// Only from memory (layers above the map, and the block cache); never blocks on disk.
    std::optional<std::size_t> read_cached(Node& node, std::uint64_t offset, MutableBytes out);
    /// From one version of the map, through the block cache: what a snapshot reads. Appends to
    /// `pins`.
    Result<void> pin_map(const FileMap& map, std::uint64_t offset, std::size_t length, Pins& pins);
    /// Only from the cache; false, and `pins` perhaps longer, when it has not all.
    bool pin_map_cached(const FileMap& map, std::uint64_t offset, std::size_t length, Pins& pins);

    /// Everything written so far is committed (survives kill -9), or the error that lost it.
    Result<void> drain(const std::shared_ptr<Node>& node);
    /// Everything written so far survives power loss.
    Result<void> fsync(const std::shared_ptr<Node>& node);
    /// The packs under this node's content are durable (before a rename-over names it).
    Result<void> sync_content(const std::shared_ptr<Node>& node);
    /// The error, if a pack under what was written was given up before that was durable. Syncs
    /// nothing.
    Result<void> check_not_lost(const std::shared_ptr<Node>& node);
    Result<void> truncate(const std::shared_ptr<Node>& node, std::uint64_t size);
    /// A hole in [offset, offset + length); the size stays.
    Result<void> punch(const std::shared_ptr<Node>& node, std::uint64_t offset,
                       std::uint64_t length);
    /// Makes bytes of `source` appear in `target` by naming the same extents: no content is
    /// written. Returns how many; fewer at the source's end, or when a step after the first fails.
    /// Both in one container; ranges of one file do not overlap. Survives kill -9 when it returns.
    Result<std::uint64_t> share(const std::shared_ptr<Node>& source, std::uint64_t source_offset,
                                const std::shared_ptr<Node>& target, std::uint64_t target_offset,
                                std::uint64_t length);
    /// Puts what the file holds of these extents into fresh ones, under the container's newest key:
    /// bytes, times and ETag stay as they are. What the file no longer has of them is passed over.
    /// Shared ones are passed over, too. False when nothing is left. kBusy when the file changed
    /// there meanwhile: ask again.
    Result<bool> reseal(const std::shared_ptr<Node>& node, const std::set<ExtentId>& extents);
    /// The same for what these files hold of a shared extent; they share it afterwards as before.
    Result<bool> reseal_shared(ExtentId extent, std::span<const std::shared_ptr<Node>> nodes);
    /// The last writer has gone: finishes its own pack.
    void end_writing(Node& node);

    /// Starts sealing everything dirty; does not wait. For pressure and for the background barrier.
    void freeze_all();
    /// drain() over everything dirty; errors stay with their files.
    void drain_all();

    /// Takes a node's content out of the catalog, in steps; the node's row stays for the caller to
    /// delete.
    Result<void> erase_content(NodeId node);
    /// For use inside a transaction: all slices of a small file. False when it has too many for one
    /// transaction.
    Result<bool> erase_content_in(catalog::Writer& w, NodeId node);

  private:
    /// While it lives, nobody else changes the node's map.
    class EditScope {
      public:
        EditScope(Files& files, std::shared_ptr<Node> node)
            : files_(&files), node_(std::move(node)) {}
        EditScope(EditScope&&) = default;
        EditScope& operator=(EditScope&&) = delete;
        ~EditScope() {
            if (node_) files_->end_edit(node_);
        }

      private:
        Files* files_;
        std::shared_ptr<Node> node_;
    };
    /// Everything written so far is committed, and what is written from now on waits until the
    /// edit has ended.
    Result<EditScope> edit(const std::shared_ptr<Node>& node);
    void end_edit(const std::shared_ptr<Node>& node);
    struct ShareRange;
    Result<void> sync_range(Node& source, const ShareRange& range);
    Result<std::uint64_t> share_step(Node& source, Node& target, const ShareRange& range);

    std::shared_ptr<Batch> freeze(Node& node) REQUIRES(node.mutex);
    void enqueue(const std::shared_ptr<Node>& node, const std::shared_ptr<Batch>& batch);
    void process(const std::shared_ptr<Node>& node, const std::shared_ptr<Batch>& batch);
    Result<void> fill_edges(Node& node, Batch& batch);
    Result<void> seal_and_place(Node& node, Batch& batch);
    Result<Packs::Put> place(Node& node, const Buffer& sealed);
    Result<void> read_resealed(const PlacedExtent& extent, std::uint64_t start, MutableBytes out);
    Result<void> sync_resealed(std::span<const PutMark> marks);
    Result<void> commit_resealed(Node& node, const std::vector<Batch::Placed>& placed,
                                 const std::vector<Slice>& replaced);
    struct SharedReseal;
    Result<void> seal_pieces(SharedReseal& reseal);
    Result<void> commit_pieces(const SharedReseal& reseal);
    void commit_placed(const std::shared_ptr<Node>& node);
    Result<void> commit(Node& node, const std::shared_ptr<Batch>& batch);
    void fail(Node& node, Error error);
    Result<void> read_below(Node& node, const Batch& batch, std::uint64_t offset, MutableBytes out);
    Result<void> read_gaps(const FileMap& map, std::uint64_t out_offset, MutableBytes out,
                           const std::vector<content::ByteRange>& gaps, content::Caching caching);
    Result<void> edit_map(Node& node, const std::function<MapEdit(const FileMap&)>& plan,
                          std::optional<std::uint64_t> new_size);
    std::size_t run_bytes_max() const;
    void mark_dirty(const std::shared_ptr<Node>& node);

    Context& context_;
    /// Checkpoints take it exclusively, so that no row may be checkpointed before the pack bytes it
    /// names are durable.
    Mutex dirty_mutex_;
    std::unordered_set<std::shared_ptr<Node>> dirty_ GUARDED_BY(dirty_mutex_);

  public:
    SharedMutex commit_gate;

  private:
    SealPool pool_;  // last: its threads use what is above
};

}  // namespace reelfs::core
