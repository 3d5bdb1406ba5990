// ExtentStore over directories on local disks (zones): <zone>/packs/<xx>/<32 hex>.pack.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reelfs/base/disk.h"
#include "reelfs/base/random.h"
#include "reelfs/store/extent_store.h"

namespace reelfs::store {

struct ZoneDirectory {
    ZoneId id;
    std::string path;  // absolute; holds (or will hold) `packs`
};

/// Keeps a bounded number of pack files open. kNotFound with the path when a zone is missing.
/// `disk` and `random` must outlive the store.
Result<std::unique_ptr<ExtentStore>> open_pack_store(Disk& disk, Random& random,
                                                     std::vector<ZoneDirectory> zones);

}  // namespace reelfs::store
