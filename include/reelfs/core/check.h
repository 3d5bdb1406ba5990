// A complete check of a store that nobody has open, and the repair of what can be repaired without
// losing anything.
//
// It works on a disk whose changes stay in memory (base/overlay_disk.h), so recovery runs as it
// would at the next start, everything is looked at as it would be then, and nothing is written.
// A repair is a second pass, on the disk itself, and is followed by a third that looks again.
#pragma once

#include <string>
#include <vector>

#include "reelfs/core/job.h"
#include "reelfs/core/volume.h"

namespace reelfs::core {

struct CheckOptions {
    std::string directory;  // absolute
    crypto::Unlock unlock;
    bool repair = false;
    bool content = true;  // read and authenticate all content
    std::size_t memory_bytes = 512u << 20;
    std::uint32_t owner_uid = 0;  // of what a rebuild makes
    std::uint32_t owner_gid = 0;
};

struct Finding {
    enum class Level {
        kNote,    // nothing is wrong: what the next start will do, what lies about
        kDamage,  // a promise is or may be broken
    };
    Level level = Level::kDamage;
    std::string text;
    bool repairable = false;
    bool repaired = false;
};

struct CheckReport {
    StoreId store;
    std::vector<Finding> findings;
    /// How much was looked at.
    std::uint64_t extents = 0;
    std::uint64_t packs = 0;
    std::uint64_t content_bytes = 0;
    bool clean() const;           // nothing but notes
    bool damage_is_left() const;  // some of it is not repaired
};

/// Errors are what kept it from being carried out (kWrongKey, kNotFound, kIo, kCancelled); damage
/// is in the report.
Result<CheckReport> check_store(const Environment& environment, const CheckOptions& options,
                                Job& job);

}  // namespace reelfs::core
