// Every disk that a power cut may leave of one moment, within reason.
//
// Of the changes pending then: every subset, with sizes grown or not, when they are few; otherwise
// every prefix, each change lost alone and left alone; each page of each write lost alone; each
// write torn; and a few by chance.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "support/seeded_random.h"
#include "support/sim_disk.h"

namespace reelfs::test {

struct CutOptions {
    bool prefixes_only = false;          // and each write torn once: for tests in a hurry
    std::size_t every_subset_up_to = 5;  // pending changes
    std::size_t pages_lost_max = 24;
    std::size_t by_chance = 2;  // of each kind
};

/// `what` tells a person which cut it was. No two images are equal.
using TakeImage = std::function<void(std::unique_ptr<SimDisk>, const std::string& what)>;
void each_cut(const SimDisk& moment, const CutOptions& options, SeededRandom& random,
              const TakeImage& take);

}  // namespace reelfs::test
