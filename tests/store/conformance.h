// The written contract of store/extent_store.h as one suite for every implementation. A factory is
// a type with `ExtentStore& store()`; it may set up what it likes in its constructor.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "reelfs/model/limits.h"
#include "reelfs/store/extent_store.h"
#include "support/seeded_random.h"

namespace reelfs::test {

inline std::vector<std::byte> pattern(std::size_t size, std::uint64_t seed) {
    std::vector<std::byte> bytes(size);
    SeededRandom(seed).fill(bytes);
    return bytes;
}

inline Result<Location> put_bytes(store::ExtentStore& store, const PackId& pack, Bytes bytes) {
    return store.put(pack, std::span<const Bytes>(&bytes, 1));
}

inline Result<std::vector<std::byte>> read_bytes(store::ExtentStore& store,
                                                 const Location& location) {
    std::vector<std::byte> bytes(location.length);
    RF_CHECK(store.read(location, 0, bytes));
    return bytes;
}

inline bool is_listed(store::ExtentStore& store, const PackId& pack) {
    const auto packs = store.list();
    return packs.ok() && std::any_of(packs->begin(), packs->end(),
                                     [&](const auto& info) { return info.pack == pack; });
}

template <class Factory>
class StoreConformance : public ::testing::Test {
  protected:
    store::ExtentStore& store() { return factory_.store(); }
    PackId open() {
        auto pack = store().open_pack(ContainerId(7));
        EXPECT_TRUE(pack.ok());
        return *pack;
    }
    Location put(const PackId& pack, Bytes bytes) {
        auto location = put_bytes(store(), pack, bytes);
        EXPECT_TRUE(location.ok()) << location.error().message();
        return location ? *location : Location{};
    }

    Factory factory_;
};
TYPED_TEST_SUITE_P(StoreConformance);

TYPED_TEST_P(StoreConformance, WhatWasPutCanBeReadAtOnce) {
    const PackId pack = this->open();
    for (std::size_t size : {std::size_t{1}, std::size_t{4095}, std::size_t{4096},
                             std::size_t{4097}, limits::extent_bytes_max}) {
        const auto bytes = pattern(size, size);
        const Location location = this->put(pack, bytes);
        EXPECT_EQ(location.pack, pack);
        EXPECT_EQ(location.length, size);
        EXPECT_EQ(location.offset % limits::pack_alignment, 0u);
        auto read = read_bytes(this->store(), location);
        ASSERT_TRUE(read.ok());
        EXPECT_EQ(*read, bytes);
    }
}

TYPED_TEST_P(StoreConformance, PiecesStandBackToBack) {
    const PackId pack = this->open();
    const auto bytes = pattern(10'000, 1);
    const Bytes whole(bytes);
    const std::array pieces{whole.first(1), whole.subspan(1, 0), whole.subspan(1, 5000),
                            whole.subspan(5001)};
    auto location = this->store().put(pack, pieces);
    ASSERT_TRUE(location.ok());
    EXPECT_EQ(location->length, bytes.size());
    EXPECT_EQ(*read_bytes(this->store(), *location), bytes);
}

TYPED_TEST_P(StoreConformance, ReadSkipsIntoTheExtent) {
    const PackId pack = this->open();
    this->put(pack, pattern(100, 1));
    const auto bytes = pattern(9000, 2);
    const Location location = this->put(pack, bytes);
    std::vector<std::byte> part(3000);
    ASSERT_TRUE(this->store().read(location, 5000, part).ok());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), bytes.begin() + 5000));
    std::vector<std::byte> once(100);
    ASSERT_TRUE(this->store().read_once(location, 5100, once).ok());
    EXPECT_TRUE(std::equal(once.begin(), once.end(), bytes.begin() + 5100));
    EXPECT_EQ(this->store().read_once({PackId{}, 0, 1}, 0, part).error().code(), Errc::kNotFound);
    this->store().will_need(location, 0, location.length);
}

TYPED_TEST_P(StoreConformance, APutOfNothingIsInvalid) {
    EXPECT_EQ(put_bytes(this->store(), this->open(), {}).error().code(), Errc::kInvalid);
}

TYPED_TEST_P(StoreConformance, ReadingBeyondThePackIsCorrupt) {
    const PackId pack = this->open();
    Location location = this->put(pack, pattern(5000, 1));
    location.length = 5001;
    EXPECT_EQ(read_bytes(this->store(), location).error().code(), Errc::kCorrupt);
    location.offset = 1 << 20;
    EXPECT_EQ(read_bytes(this->store(), location).error().code(), Errc::kCorrupt);
}

TYPED_TEST_P(StoreConformance, AnAbsentPackIsNotFound) {
    const PackId pack{{std::byte{1}, std::byte{2}}};
    std::vector<std::byte> out(1);
    EXPECT_EQ(this->store().read({pack, 0, 1}, 0, out).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().sync(pack).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().settle(pack).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().free({pack, 0, 4096}).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().remove_pack(pack).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().set_aside(pack).error().code(), Errc::kNotFound);
    EXPECT_EQ(put_bytes(this->store(), pack, out).error().code(), Errc::kBadHandle);
}

TYPED_TEST_P(StoreConformance, AnInlineLocationIsNotTheStoresBusiness) {
    std::vector<std::byte> out(1);
    EXPECT_EQ(this->store().read({std::nullopt, 0, 1}, 0, out).error().code(), Errc::kInvalid);
}

TYPED_TEST_P(StoreConformance, TheDurableEndCoversEveryPutThatReturnedBefore) {
    const PackId pack = this->open();
    std::uint64_t last = 0;
    for (std::size_t i = 1; i < 20; ++i) {
        const Location location = this->put(pack, pattern(i * 777, i));
        auto end = this->store().sync(pack);
        ASSERT_TRUE(end.ok());
        EXPECT_GE(*end, location.offset + location.length);
        EXPECT_GE(*end, last);
        last = *end;
    }
    EXPECT_EQ(*this->store().sync(pack), last) << "nothing new was put";
}

TYPED_TEST_P(StoreConformance, AnEmptyPackCanBeSynced) {
    EXPECT_EQ(*this->store().sync(this->open()), 0u);
}

TYPED_TEST_P(StoreConformance, AClosedPackTakesNoPutButCanBeReadAndSynced) {
    const PackId pack = this->open();
    const auto bytes = pattern(5000, 1);
    const Location location = this->put(pack, bytes);
    ASSERT_TRUE(this->store().close_pack(pack).ok());
    ASSERT_TRUE(this->store().close_pack(pack).ok()) << "twice is fine";
    EXPECT_EQ(put_bytes(this->store(), pack, bytes).error().code(), Errc::kBadHandle);
    EXPECT_EQ(*read_bytes(this->store(), location), bytes);
    EXPECT_GE(*this->store().sync(pack), 5000u);
    EXPECT_GE(*this->store().sync(pack), 5000u);
    EXPECT_EQ(put_bytes(this->store(), pack, bytes).error().code(), Errc::kBadHandle);
    EXPECT_EQ(*read_bytes(this->store(), location), bytes);
}

TYPED_TEST_P(StoreConformance, FreeingARangeLeavesItsNeighboursAlone) {
    const PackId pack = this->open();
    std::vector<Location> locations;
    for (std::uint64_t i = 0; i < 3; ++i) locations.push_back(this->put(pack, pattern(10'000, i)));
    ASSERT_TRUE(this->store().sync(pack).ok());
    auto freed = this->store().free({pack, locations[1].offset, locations[1].length});
    EXPECT_TRUE(freed.ok() || freed.error().code() == Errc::kUnsupported);
    EXPECT_EQ(*read_bytes(this->store(), locations[0]), pattern(10'000, 0));
    EXPECT_EQ(*read_bytes(this->store(), locations[2]), pattern(10'000, 2));
    EXPECT_TRUE(read_bytes(this->store(), locations[1]).ok()) << "undefined, but harmless";
    EXPECT_TRUE(this->store().free({pack, locations[2].offset, 100}).ok()) << "nothing inside";
    EXPECT_EQ(*read_bytes(this->store(), locations[2]), pattern(10'000, 2));
}

TYPED_TEST_P(StoreConformance, ARemovedPackIsGone) {
    const PackId pack = this->open(), other = this->open();
    const Location location = this->put(pack, pattern(100, 1));
    const Location kept = this->put(other, pattern(100, 2));
    ASSERT_TRUE(this->store().sync(pack).ok());
    ASSERT_TRUE(this->store().remove_pack(pack).ok());
    EXPECT_EQ(read_bytes(this->store(), location).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().sync(pack).error().code(), Errc::kNotFound);
    EXPECT_EQ(this->store().remove_pack(pack).error().code(), Errc::kNotFound);
    EXPECT_EQ(put_bytes(this->store(), pack, pattern(1, 1)).error().code(), Errc::kBadHandle);
    EXPECT_TRUE(this->store().sync_removals().ok());
    EXPECT_FALSE(is_listed(this->store(), pack));
    EXPECT_EQ(*read_bytes(this->store(), kept), pattern(100, 2));
}

TYPED_TEST_P(StoreConformance, APackSetAsideIsOutOfReach) {
    const PackId pack = this->open();
    const Location location = this->put(pack, pattern(100, 1));
    ASSERT_TRUE(this->store().sync(pack).ok());
    ASSERT_TRUE(this->store().set_aside(pack).ok());
    EXPECT_EQ(read_bytes(this->store(), location).error().code(), Errc::kNotFound);
    EXPECT_FALSE(is_listed(this->store(), pack));
    EXPECT_EQ(this->store().set_aside(pack).error().code(), Errc::kNotFound);
}

TYPED_TEST_P(StoreConformance, ListShowsEachPackOnceWithItsLength) {
    std::map<PackId, std::uint64_t> expected;
    for (std::size_t i = 0; i < 20; ++i) {
        const PackId pack = this->open();
        expected[pack] = i == 0 ? 0 : this->put(pack, pattern(i * 1000, i)).length;
    }
    const auto listed = this->store().list();
    ASSERT_TRUE(listed.ok());
    std::map<PackId, std::uint64_t> seen;
    for (const auto& info : *listed) EXPECT_TRUE(seen.emplace(info.pack, info.bytes).second);
    EXPECT_EQ(seen, expected);
}

TYPED_TEST_P(StoreConformance, ASettledPackReadsAsBefore) {
    const PackId pack = this->open();
    const Location location = this->put(pack, pattern(50'000, 1));
    ASSERT_TRUE(this->store().settle(pack).ok());
    EXPECT_EQ(*read_bytes(this->store(), location), pattern(50'000, 1));
    ASSERT_TRUE(this->store().close_pack(pack).ok());
    ASSERT_TRUE(this->store().settle(pack).ok());
    EXPECT_EQ(*read_bytes(this->store(), location), pattern(50'000, 1));
}

TYPED_TEST_P(StoreConformance, SpaceSaysThatThereIsRoom) {
    const auto space = this->store().space();
    ASSERT_TRUE(space.ok());
    EXPECT_GT(space->free_bytes, 0u);
    EXPECT_LE(space->free_bytes, space->total_bytes);
}

TYPED_TEST_P(StoreConformance, ManyThreadsPutReadAndSyncOnePackAndOverlapNowhere) {
    const PackId pack = this->open();
    constexpr std::size_t kThreads = 4, kPuts = 60;
    std::array<std::vector<Location>, kThreads> locations;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            SeededRandom random(t);
            for (std::size_t i = 0; i < kPuts; ++i) {
                const auto bytes = pattern(1 + random.below(20'000), t * kPuts + i);
                auto location = put_bytes(this->store(), pack, bytes);
                ASSERT_TRUE(location.ok());
                ASSERT_TRUE(this->store().sync(pack).ok());
                ASSERT_EQ(*read_bytes(this->store(), *location), bytes);
                locations[t].push_back(*location);
            }
        });
    for (auto& thread : threads) thread.join();
    std::map<std::uint64_t, std::uint64_t> regions;
    for (std::size_t t = 0; t < kThreads; ++t)
        for (std::size_t i = 0; i < kPuts; ++i) {
            const Location& location = locations[t][i];
            EXPECT_TRUE(regions.emplace(location.offset, location.length).second);
            EXPECT_EQ(*read_bytes(this->store(), location),
                      pattern(location.length, t * kPuts + i));
        }
    std::uint64_t end = 0;
    for (const auto& [offset, length] : regions) {
        EXPECT_GE(offset, end);
        end = offset + length;
    }
    EXPECT_EQ(*this->store().sync(pack), end);
}

REGISTER_TYPED_TEST_SUITE_P(StoreConformance, WhatWasPutCanBeReadAtOnce, PiecesStandBackToBack,
                            ReadSkipsIntoTheExtent, APutOfNothingIsInvalid,
                            ReadingBeyondThePackIsCorrupt, AnAbsentPackIsNotFound,
                            AnInlineLocationIsNotTheStoresBusiness,
                            TheDurableEndCoversEveryPutThatReturnedBefore, AnEmptyPackCanBeSynced,
                            AClosedPackTakesNoPutButCanBeReadAndSynced,
                            FreeingARangeLeavesItsNeighboursAlone, ARemovedPackIsGone,
                            APackSetAsideIsOutOfReach, ListShowsEachPackOnceWithItsLength,
                            ASettledPackReadsAsBefore, SpaceSaysThatThereIsRoom,
                            ManyThreadsPutReadAndSyncOnePackAndOverlapNowhere);

}  // namespace reelfs::test
