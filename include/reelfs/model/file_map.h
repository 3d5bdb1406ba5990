// Which bytes of a file are held by which extent: slices in order, holes between them. Pure; the
// caller guards it.
//
// A change is planned first (plan_*: nothing is touched), so that it can be written to the catalog,
// and then applied. An unshared extent belongs to one file, and within it file_offset - start is
// the same for all its slices: bytes that are neighbours in it are neighbours in the file, and a
// block is dead when no slice of this map holds a byte of it. A shared extent may stand in several
// files, and several times in one; which of its blocks are dead only the catalog's counts tell.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "reelfs/model/extent.h"

namespace reelfs {

/// A planned change of a FileMap, in the terms of the catalog's rows.
struct MapEdit {
    std::vector<Slice> removed;             // as they stood
    std::vector<Slice> added;               // remainders of removed ones, and new ones
    std::vector<PlacedExtent> new_extents;  // extents that `added` names for the first time
    std::vector<PlacedExtent> shared;       // those of `removed` and `added` that are shared
    // Unshared ones only:
    std::vector<ExtentId> dead_extents;  // no slice left
    /// Runs of plaintext blocks that died in extents that live on.
    struct DeadBlocks {
        ExtentId extent;
        BlockIndex first;
        std::uint32_t count = 0;
        bool operator==(const DeadBlocks&) const = default;
    };
    std::vector<DeadBlocks> dead_blocks;
    bool empty() const { return removed.empty() && added.empty(); }
};

class FileMap {
  public:
    /// A piece of a range: held by an extent, or a hole (extent null).
    struct Piece {
        std::uint64_t file_offset = 0;
        std::uint64_t length = 0;
        const PlacedExtent* extent = nullptr;  // valid while the map is unchanged
        std::uint64_t start = 0;               // in the extent's plaintext
    };

    /// Puts one stored slice in (loading). It must not overlap what is there.
    void load(const Slice& slice, const PlacedExtent& extent);

    /// Pieces that cover exactly [offset, offset + length).
    std::vector<Piece> pieces(std::uint64_t offset, std::uint64_t length) const;
    /// True when a slice holds a byte of [offset, offset + length).
    bool any(std::uint64_t offset, std::uint64_t length) const;
    /// Start of the first held byte at or after `offset`, and of the first hole; `end` when there
    /// is none before it.
    std::uint64_t next_data(std::uint64_t offset, std::uint64_t end) const;
    std::uint64_t next_hole(std::uint64_t offset, std::uint64_t end) const;
    std::uint64_t held_bytes() const { return held_bytes_; }
    /// Sealed bytes of extents that live in the catalog.
    std::uint64_t inline_bytes() const { return inline_bytes_; }
    std::size_t slice_count() const { return slices_.size(); }
    const PlacedExtent* extent(ExtentId extent) const;
    std::vector<Slice> slices() const;
    /// All slices of an unshared extent, which has bytes [start, ...) at `file_offset`.
    std::vector<Slice> slices_of(ExtentId extent, std::uint64_t file_offset,
                                 std::uint64_t start) const;
    /// Where to stop between `offset` and `end` so that at most `slices_max` slices are in between.
    std::uint64_t stop_after(std::uint64_t offset, std::uint64_t end, std::size_t slices_max) const;

    /// New bytes over old ones. `fresh` are whole extents with their slices (one each), not
    /// overlapping each other.
    MapEdit plan_write(std::span<const std::pair<Slice, PlacedExtent>> fresh) const;
    /// A hole in [offset, offset + length).
    MapEdit plan_remove(std::uint64_t offset, std::uint64_t length) const;
    /// Bytes of shared extents in [offset, offset + length); where `slices`, which are in there,
    /// leave something out, a hole.
    MapEdit plan_share(std::uint64_t offset, std::uint64_t length,
                       std::span<const std::pair<Slice, PlacedExtent>> slices) const;
    void apply(const MapEdit& edit);
    /// These, which the map holds, are shared from now on.
    void mark_shared(std::span<const ExtentId> extents);

  private:
    struct Use {
        PlacedExtent extent;
        std::uint64_t held_bytes = 0;
    };
    using Iterator = std::map<std::uint64_t, Slice>::const_iterator;
    Iterator first_at(std::uint64_t offset) const;
    void hold(const PlacedExtent& extent);
    void cut(std::uint64_t offset, std::uint64_t length, MapEdit& edit) const;
    void find_dead(MapEdit& edit) const;

    std::map<std::uint64_t, Slice> slices_;  // by file_offset
    std::unordered_map<ExtentId, Use> uses_;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t inline_bytes_ = 0;
};

}  // namespace reelfs
