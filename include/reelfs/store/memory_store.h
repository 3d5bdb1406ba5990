// ExtentStore in memory, for tests and for measuring what the disk costs. Nothing survives it.
#pragma once

#include <memory>

#include "reelfs/base/random.h"
#include "reelfs/store/extent_store.h"

namespace reelfs::store {

std::unique_ptr<ExtentStore> make_memory_store(Random& random);

}  // namespace reelfs::store
