// Packs: when one may be forgotten, and what a durable end tells.
#include "core/packs.h"

#include "catalog/fixture.h"
#include "reelfs/store/memory_store.h"

namespace reelfs::core {
namespace {

class PacksTest : public ::testing::Test {
  protected:
    PacksTest()
        : disk_(catalog::new_disk()),
          catalog_(catalog::open_on(*disk_, random_).value().catalog),
          store_(store::make_memory_store(random_)),
          packs_(*store_, *catalog_) {}

    Packs::Put put(const PackId& pack) {
        const std::array<Bytes, 1> pieces{Bytes(bytes_)};
        return packs_.put(pack, pieces).value();
    }
    std::uint64_t recorded_end(const PackId& pack) {
        auto row = catalog::ask<std::optional<catalog::PackRow>>(
            *catalog_, [&](catalog::Reader& r) { return r.pack(pack); });
        return row.value().value().durable_end;
    }

    test::SeededRandom random_;
    std::unique_ptr<test::SimDisk> disk_;
    std::unique_ptr<catalog::Catalog> catalog_;
    std::unique_ptr<store::ExtentStore> store_;
    Packs packs_;
    std::vector<std::byte> bytes_ = std::vector<std::byte>(4096);
};

TEST_F(PacksTest, APackIsInUseUntilTheCatalogNamesWhatIsInIt) {
    const PackId pack = packs_.own_pack(ContainerId(1)).value();
    {
        const Packs::Put placed = put(pack);
        packs_.finish(pack);
        EXPECT_OK(packs_.sync_all());
        EXPECT_TRUE(packs_.in_use(pack)) << "an empty pack is removed, and this one seems empty";
    }
    EXPECT_OK(packs_.sync_all());
    EXPECT_FALSE(packs_.in_use(pack));
}

TEST_F(PacksTest, ADurableEndIsRecordedForWhomItConcerns) {
    const PackId pack = packs_.own_pack(ContainerId(1)).value();
    const PackId other = packs_.own_pack(ContainerId(1)).value();
    const std::vector<PutMark> marks{put(pack).mark};
    const PutMark elsewhere = put(other).mark;
    EXPECT_OK(packs_.sync(marks[0]));
    EXPECT_OK(packs_.sync(elsewhere));
    EXPECT_EQ(recorded_end(pack), 0u);
    EXPECT_OK(packs_.record_ends(marks));
    EXPECT_GE(recorded_end(pack), bytes_.size());
    EXPECT_EQ(recorded_end(other), 0u);
    EXPECT_OK(packs_.sync_all());
    EXPECT_GE(recorded_end(other), bytes_.size());
}

}  // namespace
}  // namespace reelfs::core
