// A catalog made again from what keyring and packs tell, when the old one is lost.
//
// Each extent in a pack says which file it is of (by id), where in it, and how long it is, sealed
// under the container's key. So content comes back, in files named after their ids. What does not:
// names, folders, owners, modes, times, attributes, links, users and tokens, and files so small
// that the catalog itself held them. What was deleted or overwritten and not yet given back to the
// disk may come back.
#pragma once

#include <string>
#include <vector>

#include "reelfs/core/check.h"
#include "reelfs/core/job.h"
#include "reelfs/core/volume.h"

namespace reelfs::core {

struct RebuildReport {
    std::uint64_t containers = 0;
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    std::uint64_t extents = 0;
    std::uint64_t damaged_bytes = 0;  // of `bytes`: reading them is an error, not zeros
    std::uint64_t unreadable = 0;     // extents whose key is gone, or of which nothing can be told
    std::string set_aside;            // where the old catalog is, if there was one
};

/// kExists when the catalog is there, its pages undamaged and of one time: then there is nothing to
/// rebuild.
Result<RebuildReport> rebuild_catalog(const Environment& environment, const CheckOptions& options,
                                      Job& job);

}  // namespace reelfs::core
