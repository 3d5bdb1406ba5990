#include "core/write_rows.h"

#include <algorithm>
#include <set>

#include "reelfs/content/extent_codec.h"

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

Result<void> free_dead_extent(catalog::Writer& w, const PlacedExtent& extent, const MapEdit& edit) {
    RF_CHECK(w.delete_extent(extent.shape.extent));
    if (!extent.location.pack) return done();
    // What was freed block by block before is not freed again: only the head and the blocks still
    // held until now.
    const content::ExtentLayout layout(extent.shape);
    std::set<std::uint32_t> held;
    for (const Slice& slice : edit.removed) {
        if (slice.extent != extent.shape.extent) continue;
        for (std::uint64_t b = slice.start >> extent.shape.block_shift;
             b <= (slice.start + slice.length - 1) >> extent.shape.block_shift; ++b)
            held.insert(static_cast<std::uint32_t>(b));
    }
    if (held.size() == layout.block_count())
        return w.insert_freed(
            {*extent.location.pack, extent.location.offset, extent.location.length});
    RF_CHECK(w.insert_freed({*extent.location.pack, extent.location.offset, layout.body_offset()}));
    for (auto it = held.begin(); it != held.end();) {
        const std::uint32_t first = *it;
        std::uint32_t count = 0;
        while (it != held.end() && *it == first + count) ++it, ++count;
        RF_CHECK(w.insert_freed(range_of(extent, first, count)));
    }
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
    return done();
}

}  // namespace reelfs::core
