// A scrub without any key: packs against the checksums in their extents' headers. It finds decay,
// not tampering, and cannot say which files are hit. Of a store that nobody has open.
#pragma once

#include <string>
#include <vector>

#include "reelfs/core/job.h"
#include "reelfs/core/volume.h"

namespace reelfs::core {

struct KeylessReport {
    std::uint64_t packs = 0;
    std::uint64_t extents = 0;    // whole, with a checksum that fits
    std::uint64_t bytes = 0;      // of those
    std::uint64_t unchecked = 0;  // extents of which a part was given back: only a key can tell
    std::uint64_t damaged = 0;
    std::vector<std::string> lines;  // one for each damage, at most limits::findings_max
};

/// `zones`: the store's directory and its further zones, which cannot be known without a key.
/// Writes nothing.
Result<KeylessReport> scrub_without_keys(const Environment& environment,
                                         const std::vector<std::string>& zones, Job& job);

}  // namespace reelfs::core
