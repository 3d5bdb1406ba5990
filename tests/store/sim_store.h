// A pack store on a simulated disk, and the few words its tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "reelfs/store/pack_store.h"
#include "store/conformance.h"
#include "support/seeded_random.h"
#include "support/sim_disk.h"

namespace reelfs::test {

inline std::unique_ptr<store::ExtentStore> open_store(Disk& disk, Random& random,
                                                      std::vector<std::string> zones = {"/zone"}) {
    std::vector<store::ZoneDirectory> directories;
    for (std::uint16_t i = 0; i < zones.size(); ++i) directories.push_back({ZoneId(i), zones[i]});
    auto opened = store::open_pack_store(disk, random, directories);
    EXPECT_TRUE(opened.ok());
    return std::move(*opened);
}

class SimStoreTest : public ::testing::Test {
  protected:
    SimStoreTest() {
        disk_.prepare("/zone");
        store_ = open_store(disk_, random_);
    }

    PackId open() { return *store_->open_pack(ContainerId(1)); }
    Location put(const PackId& pack, std::size_t size, std::uint64_t seed) {
        auto location = put_bytes(*store_, pack, pattern(size, seed));
        EXPECT_TRUE(location.ok());
        return location ? *location : Location{};
    }
    /// Whether the extent made with `seed` is whole after a cut that took all it could.
    bool survives(const Location& location, std::uint64_t seed) {
        auto image = disk_.crash(Crash::kSynced, random_);
        auto store = open_store(*image, random_);
        auto bytes = read_bytes(*store, location);
        return bytes.ok() && *bytes == pattern(location.length, seed);
    }

    SeededRandom random_;
    SimDisk disk_;
    std::unique_ptr<store::ExtentStore> store_;
};

}  // namespace reelfs::test
