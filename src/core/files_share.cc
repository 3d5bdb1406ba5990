// Files: sharing. copy_file_range(2), so cp(1), makes one file name the extents of another; blocks
// are counted from then on (model/block_refs.h), and freed when the last slice that touches them
// goes.
//
// A slice may begin anywhere in an extent, so ranges need no alignment. Work goes in steps, each
// one transaction of at most kStepSlices slices: a crash between two leaves the target shorter, as
// it does for write(2), and the counts right.
//
// The ordering trap: what is shared is durable before the transaction, wherever in the target it
// goes. So recovery never has to cut a file for a shared extent, and need not know who holds it.
#include <algorithm>

#include "core/files.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

struct Files::ShareRange {
    std::uint64_t source_offset, target_offset, length;
};

namespace {

constexpr std::size_t kStepSlices = limits::catalog_step_rows_max;

/// What to sync so that a range of a file is durable; nothing when it is.
std::optional<PutMark> first_unsynced(const Packs& packs,
                                      const std::vector<FileMap::Piece>& pieces) {
    for (const FileMap::Piece& piece : pieces)
        if (piece.extent)
            if (auto mark = packs.unsynced(piece.extent->location)) return mark;
    return std::nullopt;
}

}  // namespace

Result<void> Files::sync_range(Node& source, const ShareRange& range) {
    while (true) {
        std::shared_ptr<const FileMap> map;
        {
            MutexLock lock(source.mutex);
            map = source.map;
        }
        // Each sync covers every put that had returned before it, so this comes to an end although
        // somebody goes on writing.
        const auto mark =
            first_unsynced(context_.packs, map->pieces(range.source_offset, range.length));
        if (!mark) return done();
        RF_CHECK(context_.packs.sync(*mark));
    }
}

Result<std::uint64_t> Files::share_step(Node& source, Node& target, const ShareRange& range) {
    MapEdit edit;
    catalog::NodeRow row;
    std::vector<ExtentId> newly_shared;
    std::uint64_t length = 0;
    bool unsynced = false;
    std::vector<std::shared_ptr<Watcher>> woken;
    auto body = [&](catalog::Writer& w) -> Result<void> {
        std::shared_ptr<const FileMap> from, to;
        std::uint64_t source_size = 0;
        {
            MutexLock lock(source.mutex);
            from = source.map;
            source_size = source.row.attributes.size;
        }
        {
            MutexLock lock(target.mutex);
            to = target.map;
            row = target.row;
        }
        if (range.source_offset >= source_size) return done();
        length = std::min(range.length, source_size - range.source_offset);
        length = from->stop_after(range.source_offset, range.source_offset + length, kStepSlices) -
                 range.source_offset;
        length = to->stop_after(range.target_offset, range.target_offset + length, kStepSlices) -
                 range.target_offset;
        const auto pieces = from->pieces(range.source_offset, length);
        unsynced = first_unsynced(context_.packs, pieces).has_value();
        if (unsynced) return Error(Errc::kBusy, "the source has been written to meanwhile");

        std::vector<std::pair<Slice, PlacedExtent>> slices;
        for (const FileMap::Piece& piece : pieces) {
            if (!piece.extent) continue;
            PlacedExtent extent = *piece.extent;
            const ExtentId id = extent.shape.extent;
            if (!extent.shared &&
                std::find(newly_shared.begin(), newly_shared.end(), id) == newly_shared.end()) {
                const auto held = from->slices_of(id, piece.file_offset, piece.start);
                RF_CHECK(w.share_extent(id, count_refs(held, extent.shape.block_shift)));
                newly_shared.push_back(id);
            }
            extent.shared = true;
            slices.emplace_back(
                Slice{range.target_offset + (piece.file_offset - range.source_offset), piece.length,
                      id, piece.start},
                extent);
        }
        edit = to->plan_share(range.target_offset, length, slices);
        std::uint64_t held = to->held_bytes();
        for (const Slice& slice : edit.added) held += slice.length;
        for (const Slice& slice : edit.removed) held -= slice.length;
        if (held > to->held_bytes())
            RF_CHECK(context_.quotas.check_bytes(w, target.container, held - to->held_bytes()));
        RF_CHECK(write_edit(w, target.id, *to, edit, [](ExtentId) { return std::nullopt; }));
        Attributes& attributes = row.attributes;
        attributes.size = std::max(attributes.size, range.target_offset + length);
        attributes.allocated_bytes = (held + 511) / 512 * 512;
        attributes.modified = attributes.changed = context_.clock.now();
        row.etag = context_.new_etag();
        return w.update_node(row);
    };
    auto publish = [&] {
        if (length == 0) return;
        if (!newly_shared.empty()) {
            MutexLock lock(source.mutex);
            source.mark_shared(newly_shared);
        }
        MutexLock lock(target.mutex);
        if (range.target_offset != target.size) target.end_growth_by_change();
        target.edit_map(edit);
        target.row = row;
        target.size = std::max(target.size, range.target_offset + length);
        if (target.runs.empty() && target.batches.empty()) target.written_at.reset();
        woken = target.take_woken();
    };
    while (true) {
        newly_shared.clear();
        auto shared = context_.catalog.write(body, publish);
        if (shared) break;
        if (!unsynced) return std::move(shared).error();
        RF_CHECK(sync_range(source, range));
    }
    wake_all(woken);
    return length;
}

Result<std::uint64_t> Files::share(const std::shared_ptr<Node>& source, std::uint64_t source_offset,
                                   const std::shared_ptr<Node>& target, std::uint64_t target_offset,
                                   std::uint64_t length) {
    RF_CHECK(context_.check_writable());
    RF_CHECK(context_.space.check_room(0));
    RF_CHECK(ensure_map(*source));
    RF_CHECK(ensure_map(*target));
    RF_CHECK(drain(source));
    RF_CHECK(sync_range(*source, {source_offset, target_offset, length}));
    std::uint64_t shared = 0;
    {
        RF_TRY([[maybe_unused]] EditScope scope, edit(target));
        while (shared < length) {
            auto step =
                share_step(*source, *target,
                           {source_offset + shared, target_offset + shared, length - shared});
            if (!step && shared == 0) return step;
            if (!step || *step == 0) break;
            shared += *step;
        }
    }
    context_.bound_log();
    return shared;
}

}  // namespace reelfs::core
