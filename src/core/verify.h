// Is an extent, as it stands on the disk, what its row says? Reads around every cache, the system's
// page cache included.
#pragma once

#include <string>
#include <vector>

#include "core/context.h"
#include "reelfs/model/block_refs.h"

namespace reelfs::core {

/// A run of an extent's blocks.
struct BlockRun {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

struct Verdict {
    /// Of the header: needed only by a rebuild and a check without keys. "" when it is good.
    std::string header;
    /// Also blocks that died and were given back to the disk: held_part() tells.
    std::vector<BlockRun> blocks;
    /// What kept all of them from being read, if something did.
    std::string read_error;
    bool good() const { return header.empty() && blocks.empty(); }
};

/// False for a row that no extent can have.
bool row_makes_sense(const PlacedExtent& extent);

/// kCorrupt when the extent's key is gone, or the row cannot be right.
Result<Verdict> verify(Context& context, const PlacedExtent& extent);

/// Fills `out` from a pack. What the disk cannot read is left out, in pieces of 4 KiB, and filled
/// with kUnread, which is neither sealed nor given back; says why, or "" when all was read.
Result<std::string> read_around(store::ExtentStore& store, const Location& location,
                                MutableBytes out);
inline constexpr std::byte kUnread{0xff};

/// What of its pack a living extent needs: its head, and the blocks that slices touch; the padding
/// goes with the last block. In order.
std::vector<FreedRange> held_ranges(const PlacedExtent& extent, std::span<const RefRun> refs);

/// What of `slices` lies in those blocks: ranges of the file.
std::vector<Slice> held_part(const PlacedExtent& extent, const std::vector<BlockRun>& blocks,
                             const std::vector<Slice>& slices);

}  // namespace reelfs::core
