#include "core/write_rows.h"

#include <fmt/format.h>

#include "reelfs/content/extent_codec.h"
#include "reelfs/model/block_refs.h"

namespace reelfs::core {

namespace {

/// Blocks [first, first + count) as a range of the pack. The head goes with block 0 of a dead
/// extent, the padding with the last.
FreedRange range_of(const PlacedExtent& extent, std::uint32_t first, std::uint32_t count) {
    const content::ExtentLayout layout(extent.shape);
    const std::uint64_t from = layout.sealed_start(BlockIndex(first));
    const BlockIndex last(first + count - 1);
    const std::uint64_t to = first + count == layout.block_count()
                                 ? extent.location.length
                                 : layout.sealed_start(last) + layout.sealed_length(last);
    return {*extent.location.pack, extent.location.offset + from, to - from};
}

/// The extent goes, and with it `held`: the blocks that somebody held until now. What was freed
/// block by block before is not freed again.
Result<void> free_dead_extent(catalog::Writer& w, const PlacedExtent& extent,
                              std::span<const RefRun> held) {
    RF_CHECK(w.delete_extent(extent.shape.extent));
    if (!extent.location.pack) return done();
    const content::ExtentLayout layout(extent.shape);
    if (held.size() == 1 && held.front().count == layout.block_count())
        return w.insert_freed(
            {*extent.location.pack, extent.location.offset, extent.location.length});
    RF_CHECK(w.insert_freed({*extent.location.pack, extent.location.offset, layout.body_offset()}));
    for (const RefRun& run : held)
        RF_CHECK(w.insert_freed(range_of(extent, run.first.value(), run.count)));
    return done();
}

/// Of an extent that is not shared.
Result<void> free_dead_extent(catalog::Writer& w, const PlacedExtent& extent, const MapEdit& edit) {
    std::vector<Slice> held;
    for (const Slice& slice : edit.removed)
        if (slice.extent == extent.shape.extent) held.push_back(slice);
    // Runs of blocks however often they are held.
    std::vector<RefRun> runs;
    for (const RefRun& run : count_refs(held, extent.shape.block_shift)) {
        if (!runs.empty() && runs.back().end() == run.first.value())
            runs.back().count += run.count;
        else
            runs.push_back(run);
    }
    return free_dead_extent(w, extent, runs);
}

Result<void> count_shares(catalog::Writer& w, const PlacedExtent& extent,
                          std::span<const RefChange> changes) {
    const ExtentId id = extent.shape.extent;
    RF_TRY(auto before, w.shares(id, changes.front().first.value(), changes.back().end()));
    auto recounted = recount(before, changes);
    if (!recounted) return std::move(recounted).error().with(fmt::format("extent {}", id.value()));
    RF_CHECK(w.replace_shares(id, before, recounted->runs));
    if (recounted->dead.empty()) return done();
    if (recounted->runs.empty()) {
        RF_TRY(const bool alive, w.has_shares(id));
        if (!alive) return free_dead_extent(w, extent, recounted->dead);
    }
    if (!extent.location.pack) return done();
    for (const RefRun& run : recounted->dead)
        RF_CHECK(w.insert_freed(range_of(extent, run.first.value(), run.count)));
    return done();
}

}  // namespace

Result<void> write_edit(catalog::Writer& w, NodeId node, const FileMap& map, const MapEdit& edit,
                        const InlineBytesOf& inline_bytes) {
    for (const Slice& slice : edit.removed) RF_CHECK(w.delete_slice(node, slice.file_offset));
    for (const PlacedExtent& extent : edit.new_extents)
        RF_CHECK(w.insert_extent(extent, inline_bytes(extent.shape.extent)));
    for (const Slice& slice : edit.added) RF_CHECK(w.insert_slice(node, slice));
    for (ExtentId dead : edit.dead_extents) RF_CHECK(free_dead_extent(w, *map.extent(dead), edit));
    for (const auto& run : edit.dead_blocks) {
        const PlacedExtent& extent = *map.extent(run.extent);
        if (extent.location.pack)
            RF_CHECK(w.insert_freed(range_of(extent, run.first.value(), run.count)));
    }
    for (const ExtentChange& change : ref_changes(edit))
        RF_CHECK(count_shares(w, *change.extent, change.changes));
    return done();
}

}  // namespace reelfs::core
