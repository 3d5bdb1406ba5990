// Content moved to fresh extents without being changed: what the rotation of a key is made of.
//
// It happens beside whoever writes: the bytes are read and sealed without any lock, and the
// transaction that puts the new extents into the maps looks first whether they still have there
// what was read. Packs are synced before, since the new extents lie inside the committed size.
//
// What files share they go on sharing. A shared extent is cut where a slice of any of them begins
// or ends, so that each piece is held whole by those that have any of it: nothing that nobody names
// is sealed again, and what a piece says of its origin is true (a rebuild goes by it).
//
//     extent          0         40     60           100
//     a.mp4           |---------|      |-------------|      b.mp4 has all of it
//     b.mp4           |-------------------------------|
//     fresh           |----1----|---2--|------3------|      1 and 3 shared by both, 2 b.mp4's own
#include <algorithm>
#include <map>

#include "core/files.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/model/block_refs.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

/// Whether the map has this slice as it was: not a longer one either, which would show beyond its
/// ends.
bool stands(const FileMap& map, const Slice& slice) {
    const std::uint64_t from = slice.file_offset - std::min<std::uint64_t>(slice.file_offset, 1);
    const auto pieces = map.pieces(from, slice.end() + 1 - from);
    return std::any_of(pieces.begin(), pieces.end(), [&](const FileMap::Piece& piece) {
        return piece.extent != nullptr && piece.extent->shape.extent == slice.extent &&
               piece.file_offset == slice.file_offset && piece.length == slice.length &&
               piece.start == slice.start;
    });
}

}  // namespace

Result<bool> Files::reseal(const std::shared_ptr<Node>& node, const std::set<ExtentId>& extents) {
    RF_CHECK(context_.check_writable());
    RF_CHECK(ensure_map(*node));
    Holds::Hold hold(context_.holds);  // before the map is looked at
    std::shared_ptr<const FileMap> map;
    {
        MutexLock lock(node->mutex);
        if (node->is_going()) return false;
        map = node->map;
    }
    std::vector<Slice> replaced;
    for (const Slice& slice : map->slices())
        if (extents.contains(slice.extent) && !map->extent(slice.extent)->shared)
            replaced.push_back(slice);
    if (replaced.empty()) return false;
    RF_TRY(const auto key, context_.keys.newest_key(node->container));
    std::vector<Batch::Placed> placed;
    for (std::size_t i = 0; i < replaced.size();) {
        // Neighbours in the file become one extent as far as that goes.
        std::size_t last = i + 1;
        std::uint64_t length = replaced[i].length;
        while (last < replaced.size() && replaced[last - 1].end() == replaced[last].file_offset &&
               length + replaced[last].length <= limits::extent_bytes_max)
            length += replaced[last++].length;
        RF_CHECK(context_.space.check_room(length));
        Buffer plain(static_cast<std::size_t>(length));
        std::size_t at = 0;
        for (; i < last; ++i) {
            const MutableBytes part = plain.span().subspan(at, replaced[i].length);
            RF_CHECK(read_resealed(*map->extent(replaced[i].extent), replaced[i].start, part));
            at += part.size();
        }
        const std::uint64_t offset = replaced[last - 1].end() - length;
        RF_TRY(const ExtentId id, context_.extent_ids.next());
        content::SealedExtent sealed = content::seal_extent(
            *key.key, {id, node->container, key.id, context_.block_shift(node->container)},
            {node->id, offset}, plain.span(), context_.random);
        Batch::Placed fresh;
        fresh.slice = {offset, length, id, 0};
        fresh.extent.shape = sealed.shape;
        fresh.extent.location.length = sealed.bytes.size();
        const bool was_inline = !map->extent(replaced[last - 1].extent)->location.pack;
        if (was_inline && sealed.bytes.size() <= limits::inline_extent_bytes_max) {
            fresh.inline_bytes = std::move(sealed.bytes);
        } else {
            RF_TRY(Packs::Put put, place(*node, sealed.bytes));
            fresh.extent.location = put.location;
            fresh.mark = put.mark;
            fresh.hold = std::move(put.hold);
        }
        placed.push_back(std::move(fresh));
    }
    std::vector<PutMark> marks;
    for (const Batch::Placed& fresh : placed)
        if (fresh.extent.location.pack) marks.push_back(fresh.mark);
    RF_CHECK(sync_resealed(marks));
    RF_CHECK(commit_resealed(*node, placed, replaced));
    context_.bound_log();
    return true;
}

/// Damage is damage whether the bytes are wrong or the disk does not give them: kCorrupt. Other
/// files can be moved all the same.
Result<void> Files::read_resealed(const PlacedExtent& extent, std::uint64_t start,
                                  MutableBytes out) {
    auto read = context_.reader.read(extent, start, out, content::Caching::kBypass);
    if (!read && read.error().code() == Errc::kIo)
        return Error(Errc::kCorrupt, read.error().message());
    return read;
}

/// What is moved may have been promised, so the promise is made for where it goes to, before.
Result<void> Files::sync_resealed(std::span<const PutMark> marks) {
    for (const PutMark& mark : marks) RF_CHECK(context_.packs.sync(mark));
    return context_.packs.record_ends(marks);
}

Result<void> Files::commit_resealed(Node& node, const std::vector<Batch::Placed>& placed,
                                    const std::vector<Slice>& replaced) {
    std::vector<std::pair<Slice, PlacedExtent>> fresh;
    for (const Batch::Placed& one : placed) fresh.emplace_back(one.slice, one.extent);
    MapEdit edit;
    const auto body = [&](catalog::Writer& w) -> Result<void> {
        std::shared_ptr<const FileMap> map;
        {
            MutexLock lock(node.mutex);
            if (node.is_going()) return Error(Errc::kBusy, "the file is going");
            map = node.map;
        }
        for (const Slice& slice : replaced) {
            if (!stands(*map, slice) || map->extent(slice.extent)->shared)
                return Error(Errc::kBusy, "the file changed meanwhile");
        }
        edit = map->plan_write(fresh);
        return write_edit(w, node.id, *map, edit, [&](ExtentId id) -> std::optional<Bytes> {
            for (const Batch::Placed& one : placed)
                if (one.extent.shape.extent == id && !one.extent.location.pack)
                    return one.inline_bytes.span();
            return std::nullopt;
        });
    };
    const auto publish = [&] {
        MutexLock lock(node.mutex);
        node.edit_map(edit);
    };
    return context_.catalog.write(body, publish);
}

/// A shared extent that is being sealed again.
struct Files::SharedReseal {
    struct Holder {
        std::shared_ptr<Node> node;
        std::vector<Slice> slices;  // of the extent
    };
    PlacedExtent extent;
    std::vector<Holder> holders;
    /// By where they begin in the extent.
    struct Piece {
        Batch::Placed placed;         // its slice: one of those that hold it
        std::shared_ptr<Node> owner;  // whose that slice is
        std::size_t slices = 0;       // how many hold it
    };
    std::map<std::uint64_t, Piece> pieces;
};

Result<bool> Files::reseal_shared(ExtentId id, std::span<const std::shared_ptr<Node>> nodes) {
    RF_CHECK(context_.check_writable());
    Holds::Hold hold(context_.holds);  // before the maps are looked at
    SharedReseal reseal;
    for (const auto& node : nodes) {
        RF_CHECK(ensure_map(*node));
        MutexLock lock(node->mutex);
        const PlacedExtent* extent = node->map->extent(id);
        if (node->is_going() || extent == nullptr || !extent->shared) continue;
        reseal.extent = *extent;
        SharedReseal::Holder holder{.node = node, .slices = {}};
        for (const Slice& slice : node->map->slices())
            if (slice.extent == id) holder.slices.push_back(slice);
        reseal.holders.push_back(std::move(holder));
    }
    if (reseal.holders.empty()) return false;
    RF_CHECK(seal_pieces(reseal));
    std::vector<PutMark> marks;
    for (const auto& [start, piece] : reseal.pieces)
        if (piece.placed.extent.location.pack) marks.push_back(piece.placed.mark);
    RF_CHECK(sync_resealed(marks));
    RF_CHECK(commit_pieces(reseal));
    context_.bound_log();
    return true;
}

Result<void> Files::seal_pieces(SharedReseal& reseal) {
    std::map<std::uint64_t, std::uint64_t> cuts;  // where slices begin or end: how many pass there
    for (const auto& holder : reseal.holders)
        for (const Slice& slice : holder.slices) {
            ++cuts[slice.start];
            --cuts[slice.start + slice.length];  // may wrap: only sums count
        }
    std::uint64_t passing = 0;
    for (auto cut = cuts.begin(); cut != cuts.end(); ++cut)
        if (passing += cut->second; passing != 0)
            reseal.pieces[cut->first].placed.slice.length = std::next(cut)->first - cut->first;
    for (auto& holder : reseal.holders)
        for (const Slice& slice : holder.slices)
            for (auto piece = reseal.pieces.find(slice.start);
                 piece != reseal.pieces.end() && piece->first < slice.start + slice.length;
                 ++piece) {
                ++piece->second.slices;
                piece->second.owner = holder.node;
                piece->second.placed.slice.file_offset =
                    slice.file_offset + (piece->first - slice.start);
            }
    RF_TRY(const auto key, context_.keys.newest_key(reseal.extent.shape.container));
    for (auto& [start, piece] : reseal.pieces) {
        Batch::Placed& placed = piece.placed;
        RF_CHECK(context_.space.check_room(placed.slice.length));
        Buffer plain(static_cast<std::size_t>(placed.slice.length));
        RF_CHECK(read_resealed(reseal.extent, start, plain.span()));
        RF_TRY(const ExtentId id, context_.extent_ids.next());
        content::SealedExtent sealed = content::seal_extent(
            *key.key, {id, reseal.extent.shape.container, key.id, reseal.extent.shape.block_shift},
            {piece.owner->id, placed.slice.file_offset}, plain.span(), context_.random);
        placed.slice.extent = id;
        placed.extent.shape = sealed.shape;
        placed.extent.shared = piece.slices > 1;
        placed.extent.location.length = sealed.bytes.size();
        if (!reseal.extent.location.pack &&
            sealed.bytes.size() <= limits::inline_extent_bytes_max) {
            placed.inline_bytes = std::move(sealed.bytes);
            continue;
        }
        RF_TRY(Packs::Put put, place(*piece.owner, sealed.bytes));
        placed.extent.location = put.location;
        placed.mark = put.mark;
        placed.hold = std::move(put.hold);
    }
    return done();
}

Result<void> Files::commit_pieces(const SharedReseal& reseal) {
    std::vector<MapEdit> edits(reseal.holders.size());
    const auto body = [&](catalog::Writer& w) -> Result<void> {
        for (const auto& [start, piece] : reseal.pieces) {
            const Batch::Placed& placed = piece.placed;
            RF_CHECK(w.insert_extent(placed.extent,
                                     placed.extent.location.pack
                                         ? std::nullopt
                                         : std::optional<Bytes>(placed.inline_bytes.span())));
            if (placed.extent.shared) {
                const std::vector<Slice> slices(piece.slices, placed.slice);
                RF_CHECK(w.share_extent(placed.slice.extent,
                                        count_refs(slices, placed.extent.shape.block_shift)));
            }
        }
        for (std::size_t i = 0; i < reseal.holders.size(); ++i) {
            const auto& holder = reseal.holders[i];
            std::shared_ptr<const FileMap> map;
            {
                MutexLock lock(holder.node->mutex);
                if (holder.node->is_going()) return Error(Errc::kBusy, "the file is going");
                map = holder.node->map;
            }
            MapEdit edit;
            edit.shared.push_back(reseal.extent);
            for (const Slice& slice : holder.slices) {
                if (!stands(*map, slice)) return Error(Errc::kBusy, "the file changed meanwhile");
                edit.removed.push_back(slice);
                for (auto piece = reseal.pieces.find(slice.start);
                     piece != reseal.pieces.end() && piece->first < slice.start + slice.length;
                     ++piece)
                    edit.added.push_back({slice.file_offset + (piece->first - slice.start),
                                          piece->second.placed.slice.length,
                                          piece->second.placed.slice.extent, 0});
            }
            // Counts what goes from the old extent; what comes to the new ones is counted above.
            RF_CHECK(
                write_edit(w, holder.node->id, *map, edit, [](ExtentId) { return std::nullopt; }));
            for (const auto& [start, piece] : reseal.pieces)
                if (std::any_of(edit.added.begin(), edit.added.end(),
                                [id = piece.placed.slice.extent](const Slice& slice) {
                                    return slice.extent == id;
                                }))
                    edit.new_extents.push_back(piece.placed.extent);
            edits[i] = std::move(edit);
        }
        return done();
    };
    const auto publish = [&] {
        for (std::size_t i = 0; i < reseal.holders.size(); ++i) {
            MutexLock lock(reseal.holders[i].node->mutex);
            reseal.holders[i].node->edit_map(edits[i]);
        }
    };
    return context_.catalog.write(body, publish);
}

}  // namespace reelfs::core
