// How many slices touch each block of a shared extent: runs of blocks with equal counts, in order,
// without those that nobody touches any more. Pure.
//
//     block   0   1   2   3   4   5   6   7          two files: 0-7 and 2-5; block 7 died before
//     refs    1   1   2   2   2   2   1   -    runs  {0, 2, 1} {2, 4, 2} {6, 1, 1}
//
// A slice counts for a block when it names a byte of it, and for each slice that does, one.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "reelfs/base/result.h"
#include "reelfs/model/extent.h"
#include "reelfs/model/file_map.h"

namespace reelfs {

struct RefRun {
    BlockIndex first;
    std::uint32_t count = 0;
    std::uint32_t refs = 0;
    std::uint32_t end() const { return first.value() + count; }
    bool operator==(const RefRun&) const = default;
};

struct RefChange {
    BlockIndex first;
    std::uint32_t count = 0;
    std::int32_t change = 0;  // never 0
    std::uint32_t end() const { return first.value() + count; }
    bool operator==(const RefChange&) const = default;
};

/// Of an extent's slices, all of them.
std::vector<RefRun> count_refs(std::span<const Slice> slices, unsigned block_shift);

/// What an edit changes in each of its shared extents, in order of blocks; extents whose counts
/// stay as they are are left out.
struct ExtentChange {
    const PlacedExtent* extent;  // in `edit`
    std::vector<RefChange> changes;
};
std::vector<ExtentChange> ref_changes(const MapEdit& edit);

struct Recounted {
    std::vector<RefRun> runs;
    std::vector<RefRun> dead;  // nobody touches them from now on (refs 0)
};
/// `runs`: at least those that overlap or adjoin what changes. kCorrupt when a change names a block
/// that is dead already, or takes more away than there is.
Result<Recounted> recount(std::span<const RefRun> runs, std::span<const RefChange> changes);

}  // namespace reelfs
