// Does the catalog's account of content add up? A full walk over slices, extents, counts of shared
// blocks, packs and freed ranges, for tests and for fsck. What it looks for, rule by rule, is said
// in src/core/audit.cc. It holds an entry for each slice and extent in memory, and works in short
// reads: nobody may change the store meanwhile.
#pragma once

#include <string>
#include <vector>

#include "reelfs/catalog/catalog.h"

namespace reelfs::core {

/// What contradicts itself, a sentence each; nothing in a store that is right.
Result<std::vector<std::string>> audit_content(catalog::Catalog& catalog);

}  // namespace reelfs::core
