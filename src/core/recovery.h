// After an unclean stop: makes the catalog name only what is on the disk. Runs before anything is
// served.
//
//  1. Every extent at or beyond its pack's recorded durable end is read from the device (not from
//     the page cache) and opened. One that does not open is looked at slice by slice: blocks that
//     no slice holds any more may have been punched.
//  2. A file is cut at the lowest slice that cannot be read: its extent was never promised, because
//     a transaction may name unsynced extents only at or beyond the committed size. The cut file
//     gets a new ETag; bytes before the cut stay.
//  3. Packs that were open are closed for good; packs that the catalog does not know are set aside.
//  Files without links are removed.
#pragma once

#include <string>
#include <vector>

#include "core/context.h"

namespace reelfs::core {

/// Returns what it had to do, a line each.
Result<std::vector<std::string>> recover(Context& context);

/// Marks packs of an earlier process as closed (they are never put to again); returns nodes without
/// links, to be reaped.
Result<std::vector<NodeId>> adopt_leftovers(Context& context);

}  // namespace reelfs::core
