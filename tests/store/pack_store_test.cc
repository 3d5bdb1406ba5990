// Zones, room, descriptors and names: what is particular to packs as files.
#include <filesystem>
#include <set>

#include "store/sim_store.h"
#include "support/temp_dir.h"

namespace reelfs::test {
namespace {

using PackStore = SimStoreTest;

TEST_F(PackStore, AMissingZoneIsNamedInTheError) {
    auto opened =
        store::open_pack_store(disk_, random_, {{ZoneId(0), "/zone"}, {ZoneId(1), "/not/there"}});
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), Errc::kNotFound);
    EXPECT_NE(opened.error().message().find("/not/there"), std::string::npos);
}

TEST_F(PackStore, NoZoneAndTheSameZoneTwiceAreInvalid) {
    EXPECT_EQ(store::open_pack_store(disk_, random_, {}).error().code(), Errc::kInvalid);
    EXPECT_EQ(store::open_pack_store(disk_, random_, {{ZoneId(0), "/zone"}, {ZoneId(1), "/zone"}})
                  .error()
                  .code(),
              Errc::kInvalid);
}

TEST(PackFiles, APackIsAFileNamedByItsHexInTheBucketOfItsFirstByte) {
    TempDir directory;
    PosixDisk disk;
    SeededRandom random;
    auto store = open_store(disk, random, {directory.path()});
    const PackId pack = *store->open_pack(ContainerId(1));
    const std::string hex = pack.hex();
    const std::string path = directory / ("packs/" + hex.substr(0, 2) + "/" + hex + ".pack");
    EXPECT_TRUE(std::filesystem::is_regular_file(path));
    ASSERT_TRUE(store->set_aside(pack).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(std::filesystem::is_regular_file(directory / ("aside/" + hex + ".pack")));
}

TEST_F(PackStore, FilesThatAreNotPacksAreLeftAloneAndNotListed) {
    const PackId pack = open();
    const std::string bucket = "/zone/packs/" + pack.hex().substr(0, 2);
    for (const std::string& name : {bucket + "/notes.txt", std::string("/zone/packs/README")})
        ASSERT_TRUE(disk_.open(name, OpenMode::kCreateNew).ok());
    EXPECT_EQ(store_->list()->size(), 1u);
}

TEST_F(PackStore, ANameTakenByAnotherFileIsNotReused) {
    SeededRandom same(99), again(99);
    auto one = open_store(disk_, same), two = open_store(disk_, again);
    auto first = one->open_pack(ContainerId(1)), second = two->open_pack(ContainerId(1));
    ASSERT_TRUE(first.ok());
    ASSERT_TRUE(second.ok());
    EXPECT_NE(*first, *second);
}

TEST_F(PackStore, DescriptorsStayBoundedHoweverManyPacksAreRead) {
    std::vector<Location> locations;
    for (std::uint64_t i = 0; i < 600; ++i) {
        const PackId pack = open();
        locations.push_back(put(pack, 100, i));
        ASSERT_TRUE(store_->sync(pack).ok());
        ASSERT_TRUE(store_->close_pack(pack).ok());
        EXPECT_LE(disk_.open_files(), 257u);
    }
    for (int pass = 0; pass < 2; ++pass)
        for (std::uint64_t i = 0; i < locations.size(); ++i) {
            ASSERT_EQ(*read_bytes(*store_, locations[i]), pattern(100, i));
            EXPECT_LE(disk_.open_files(), 256u);
        }
    const std::uint64_t opens = disk_.calls(DiskCall::kOpen);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(read_bytes(*store_, locations.back()).ok());
    EXPECT_EQ(disk_.calls(DiskCall::kOpen), opens) << "a file in use stays open";
    for (const Location& location : locations)
        ASSERT_TRUE(store_->remove_pack(*location.pack).ok());
    EXPECT_EQ(disk_.open_files(), 0u) << "or the room of removed packs would stay taken";
}

TEST_F(PackStore, AFailedPackDoesNotKeepItsDescriptorPinned) {
    for (std::uint64_t i = 0; i < 300; ++i) {
        const PackId pack = open();
        put(pack, 100, i);
        disk_.fail_nth(DiskCall::kSync, 1);
        EXPECT_FALSE(store_->sync(pack).ok());
    }
    EXPECT_LE(disk_.open_files(), 256u);
}

TEST_F(PackStore, OnlyTheAlignedInsideIsPunchedAndItsRoomReturns) {
    const PackId pack = open();
    const Location first = put(pack, 3 * 4096, 1), second = put(pack, 3 * 4096, 2);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> punched;
    disk_.set_hook([&](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind == DiskCall::kPunch) punched.emplace_back(call.offset, call.length);
        return std::nullopt;
    });
    const std::uint64_t free_before = disk_.space("/zone")->free_bytes;
    ASSERT_TRUE(store_->free({pack, first.offset + 1, 2 * 4096 + 5}).ok());
    ASSERT_TRUE(store_->free({pack, second.offset + 1, 4096}).ok());
    using Punched = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
    EXPECT_EQ(punched, (Punched{{4096, 4096}}));
    EXPECT_EQ(disk_.space("/zone")->free_bytes, free_before + 4096);
    EXPECT_EQ(*read_bytes(*store_, second), pattern(3 * 4096, 2));
}

TEST_F(PackStore, ADiskThatCannotPunchSaysSo) {
    const PackId pack = open();
    put(pack, 8192, 1);
    disk_.fail_nth(DiskCall::kPunch, 1, {.code = Errc::kUnsupported});
    EXPECT_EQ(store_->free({pack, 0, 8192}).error().code(), Errc::kUnsupported);
}

TEST_F(PackStore, AFullDiskTakesNothingAndThePackStaysUsable) {
    disk_.add_volume("/small", 10 * 4096);
    auto store = open_store(disk_, random_, {"/small"});
    const PackId pack = *store->open_pack(ContainerId(1));
    const auto first = put_bytes(*store, pack, pattern(6 * 4096, 1));
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(put_bytes(*store, pack, pattern(5 * 4096, 2)).error().code(), Errc::kNoSpace);
    EXPECT_EQ(disk_.space("/small")->free_bytes, 4 * 4096u)
        << "what was half written is given back";
    const auto second = put_bytes(*store, pack, pattern(4 * 4096, 3));
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(*store->sync(pack), 10 * 4096u);
    EXPECT_EQ(*read_bytes(*store, *first), pattern(6 * 4096, 1));
    EXPECT_EQ(*read_bytes(*store, *second), pattern(4 * 4096, 3));
    EXPECT_EQ(put_bytes(*store, pack, pattern(1, 4)).error().code(), Errc::kNoSpace);
    ASSERT_TRUE(store->free({pack, first->offset, first->length}).ok())
        << "freeing works when full";
    EXPECT_TRUE(put_bytes(*store, pack, pattern(6 * 4096, 5)).ok());
}

TEST_F(PackStore, AQuotaOfTheDiskBelowIsAFullZone) {
    const PackId pack = open();
    disk_.fail_nth(DiskCall::kWrite, 1, {.code = Errc::kQuota});
    EXPECT_EQ(put_bytes(*store_, pack, pattern(1, 1)).error().code(), Errc::kNoSpace);
}

TEST_F(PackStore, AFailedWriteAbandonsItsRegionAndTheNextPutStandsBehindIt) {
    const PackId pack = open();
    const Location before = put(pack, 4096, 1);
    disk_.fail_nth(DiskCall::kWrite, 1, {.code = Errc::kIo, .written_bytes = 1000});
    EXPECT_EQ(put_bytes(*store_, pack, pattern(4096, 2)).error().code(), Errc::kIo);
    const Location after = put(pack, 4096, 3);
    EXPECT_EQ(after.offset, 2 * 4096u);
    EXPECT_EQ(*store_->sync(pack), 3 * 4096u);
    EXPECT_TRUE(survives(before, 1));
    EXPECT_TRUE(survives(after, 3));
}

TEST_F(PackStore, ANewPackGoesWhereMostRoomIsAndElsewhereWhenThatZoneFails) {
    disk_.add_volume("/small", 1 << 20);
    disk_.add_volume("/large", 1 << 30);
    auto store = open_store(disk_, random_, {"/small", "/large"});
    const PackId pack = *store->open_pack(ContainerId(1));
    auto listed = store->list();
    ASSERT_EQ(listed->size(), 1u);
    EXPECT_EQ(listed->front().zone, ZoneId(1));
    disk_.set_hook([](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.path.starts_with("/large") && call.kind == DiskCall::kOpen) return DiskFault{};
        return std::nullopt;
    });
    EXPECT_TRUE(store->open_pack(ContainerId(1)).ok());
    disk_.set_hook(nullptr);
    std::set<ZoneId> zones;
    listed = store->list();
    for (const auto& info : *listed) zones.insert(info.zone);
    EXPECT_EQ(zones, (std::set<ZoneId>{ZoneId(0), ZoneId(1)}));
    EXPECT_TRUE(store->remove_pack(pack).ok());
}

TEST_F(PackStore, OpeningManyPacksDoesNotAskTheDiskForItsRoomEachTime) {
    const std::uint64_t before = disk_.calls(DiskCall::kSpace);
    for (int i = 0; i < 200; ++i) open();
    EXPECT_LE(disk_.calls(DiskCall::kSpace) - before, 50u) << "once a second, not once a pack";
}

TEST_F(PackStore, TwoZonesOnOneVolumeCountItsRoomOnce) {
    disk_.prepare("/zone2");
    disk_.add_volume("/other", 1 << 20);
    auto store = open_store(disk_, random_, {"/zone", "/zone2", "/other"});
    EXPECT_EQ(store->space()->total_bytes, (std::uint64_t{1} << 40) + (1 << 20));
}

TEST_F(PackStore, APackOfAnyZoneIsFoundAfterReopening) {
    disk_.add_volume("/a", 1 << 24);
    disk_.add_volume("/b", 1 << 24);
    std::vector<Location> locations;
    {
        auto store = open_store(disk_, random_, {"/a", "/b"});
        for (std::uint64_t i = 0; i < 10; ++i)  // each put makes the other zone the roomier one
            locations.push_back(
                *put_bytes(*store, *store->open_pack(ContainerId(1)), pattern(9000, i)));
    }
    auto store = open_store(disk_, random_, {"/a", "/b"});
    std::set<ZoneId> zones;
    const auto listed = store->list();
    for (const auto& info : *listed) zones.insert(info.zone);
    EXPECT_EQ(zones.size(), 2u);
    for (std::uint64_t i = 0; i < locations.size(); ++i)
        EXPECT_EQ(*read_bytes(*store, locations[i]), pattern(9000, i));
}

}  // namespace
}  // namespace reelfs::test
