// Every store, and the pack store on every disk, against the same contract.
#include "store/conformance.h"

#include "reelfs/store/faulty_store.h"
#include "reelfs/store/memory_store.h"
#include "reelfs/store/pack_store.h"
#include "support/sim_disk.h"
#include "support/temp_dir.h"

namespace reelfs::test {
namespace {

using store::ExtentStore;

template <int kZones>
struct PosixPacks {
    PosixPacks() {
        std::vector<store::ZoneDirectory> zones;
        for (std::uint16_t i = 0; i < kZones; ++i) {
            zones.push_back({ZoneId(i), directory / ("zone" + std::to_string(i))});
            EXPECT_TRUE(disk.make_directory(zones.back().path).ok());
        }
        packs = *store::open_pack_store(disk, random, zones);
    }
    ExtentStore& store() { return *packs; }

    TempDir directory;
    PosixDisk disk;
    SeededRandom random{1};
    std::unique_ptr<ExtentStore> packs;
};

struct SimPacks {
    SimPacks() {
        disk.prepare("/zone");
        packs = *store::open_pack_store(disk, random, {{ZoneId(0), "/zone"}});
    }
    ExtentStore& store() { return *packs; }

    SimDisk disk;
    SeededRandom random{1};
    std::unique_ptr<ExtentStore> packs;
};

struct Memory {
    ExtentStore& store() { return *memory; }

    SeededRandom random{1};
    std::unique_ptr<ExtentStore> memory = store::make_memory_store(random);
};

struct FaultyWithoutFaults {
    ExtentStore& store() { return *faulty; }

    SeededRandom random{1};
    std::unique_ptr<ExtentStore> faulty = store::make_faulty_store(
        store::make_memory_store(random), [](store::StoreCall) { return done(); });
};

INSTANTIATE_TYPED_TEST_SUITE_P(PacksInOneZone, StoreConformance, PosixPacks<1>);
INSTANTIATE_TYPED_TEST_SUITE_P(PacksInThreeZones, StoreConformance, PosixPacks<3>);
INSTANTIATE_TYPED_TEST_SUITE_P(PacksOnSimDisk, StoreConformance, SimPacks);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, StoreConformance, Memory);
INSTANTIATE_TYPED_TEST_SUITE_P(Faulty, StoreConformance, FaultyWithoutFaults);

}  // namespace
}  // namespace reelfs::test
