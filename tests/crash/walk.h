// A walk over everything a closed store's catalog says, by its own arithmetic and not the
// product's: names, links, slices, extents, packs, freed ranges, the queue of what
// expires. What does not add up is a problem.
#pragma once

#include <string>
#include <vector>

#include "support/seeded_random.h"
#include "support/sim_disk.h"

namespace reelfs::test {

struct Walk {
    std::vector<std::string> problems;
    std::string rows;  // all of them, and the packs' lengths; for comparison with another walk
};

/// Of the store in /data/store, which nobody has open. Opens its catalog: give it a copy.
Walk walk_store(SimDisk& disk, SeededRandom& random);

}  // namespace reelfs::test
