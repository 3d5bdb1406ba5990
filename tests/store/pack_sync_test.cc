// What a sync covers while other calls are in flight, and what a failed one ends.
#include <atomic>
#include <latch>
#include <numeric>
#include <thread>

#include "store/call_gate.h"
#include "store/sim_store.h"

namespace reelfs::test {
namespace {

using PackSync = SimStoreTest;

TEST_F(PackSync, APutInFlightHoldsTheDurableEndBackButNotTheDurabilityOfOthers) {
    const PackId pack = open();
    CallGate gate(disk_, DiskCall::kWrite);
    Location slow, quick;
    std::thread first([&] { slow = put(pack, 5000, 1); });
    gate.await(1);
    std::thread second([&] { quick = put(pack, 6000, 2); });
    gate.await(2);
    gate.release(2);
    second.join();
    EXPECT_EQ(*store_->sync(pack), 0u);
    EXPECT_TRUE(survives(quick, 2)) << "its put had returned before the sync";
    gate.release(1);
    first.join();
    EXPECT_FALSE(survives(slow, 1));
    EXPECT_EQ(*store_->sync(pack), quick.offset + quick.length);
    EXPECT_TRUE(survives(slow, 1));
}

TEST_F(PackSync, ReorderedCompletionsMoveTheDurableEndToTheLowestInFlight) {
    constexpr std::size_t kPuts = 8;
    for (int run = 0; run < 20; ++run) {
        const PackId pack = open();
        CallGate gate(disk_, DiskCall::kWrite);
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < kPuts; ++i) {
            threads.emplace_back([&, i] { put(pack, 4096, i); });
            gate.await(i + 1);  // so that call n writes at (n - 1) * 4096
        }
        std::vector<std::size_t> left(kPuts);
        std::iota(left.begin(), left.end(), 0);
        while (!left.empty()) {
            const auto which = static_cast<std::ptrdiff_t>(random_.below(left.size()));
            const std::size_t n = left[static_cast<std::size_t>(which)];
            left.erase(left.begin() + which);
            gate.release(n + 1);
            threads[n].join();
            EXPECT_EQ(*store_->sync(pack), (left.empty() ? kPuts : left.front()) * 4096);
        }
    }
}

TEST_F(PackSync, ThoseWhoWaitShareOneSyncAndItIsNotTheOneAlreadyRunning) {
    constexpr std::size_t kWaiters = 8;
    const PackId pack = open();
    put(pack, 100, 0);
    CallGate gate(disk_, DiskCall::kSync);
    std::thread first([&] { EXPECT_TRUE(store_->sync(pack).ok()); });
    gate.await(1);

    std::latch all_put(kWaiters);
    std::atomic<std::size_t> synced{0};
    std::array<Location, kWaiters> locations;
    std::vector<std::thread> waiters;
    for (std::size_t i = 0; i < kWaiters; ++i)
        waiters.emplace_back([&, i] {
            locations[i] = put(pack, 100, i);
            all_put.count_down();
            EXPECT_TRUE(store_->sync(pack).ok());
            ++synced;
        });
    all_put.wait();
    gate.release(1);
    first.join();
    gate.await(2);  // somebody began the next round for all
    EXPECT_EQ(synced, 0u);
    EXPECT_FALSE(survives(locations[0], 0));
    gate.release(2);
    for (auto& waiter : waiters) waiter.join();
    EXPECT_EQ(disk_.calls(DiskCall::kSync), 2u);
    for (std::size_t i = 0; i < kWaiters; ++i) EXPECT_TRUE(survives(locations[i], i));
}

TEST_F(PackSync, ASyncWithNothingNewAsksNothingOfTheDisk) {
    const PackId pack = open();
    put(pack, 100, 1);
    ASSERT_TRUE(store_->sync(pack).ok());
    const std::uint64_t calls = disk_.calls();
    EXPECT_EQ(*store_->sync(pack), 100u);
    EXPECT_EQ(disk_.calls(), calls);
}

TEST_F(PackSync, TheFirstSyncMakesTheNameDurableAndLaterOnesSyncTheFileAlone) {
    const PackId pack = open();
    EXPECT_EQ(disk_.calls(DiskCall::kSyncDirectory), 2u) << "opening the store; open_pack is free";
    const Location first = put(pack, 100, 1);
    ASSERT_TRUE(store_->sync(pack).ok());
    EXPECT_EQ(disk_.calls(DiskCall::kSyncDirectory), 4u) << "the bucket, and its own name";
    EXPECT_TRUE(survives(first, 1));
    put(pack, 100, 2);
    ASSERT_TRUE(store_->sync(pack).ok());
    EXPECT_EQ(disk_.calls(DiskCall::kSyncDirectory), 4u);
}

TEST_F(PackSync, AFailedSyncIsFinalForItsPackAndForNoOther) {
    const PackId pack = open(), other = open();
    const Location before = put(pack, 5000, 1);
    ASSERT_TRUE(store_->sync(pack).ok());
    put(pack, 5000, 2);
    disk_.fail_nth(DiskCall::kSync, 1);
    EXPECT_EQ(store_->sync(pack).error().code(), Errc::kIo);
    const std::uint64_t syncs = disk_.calls(DiskCall::kSync);
    EXPECT_EQ(store_->sync(pack).error().code(), Errc::kIo);
    EXPECT_EQ(store_->settle(pack).error().code(), Errc::kIo);
    EXPECT_EQ(put_bytes(*store_, pack, pattern(1, 1)).error().code(), Errc::kIo);
    ASSERT_TRUE(store_->close_pack(pack).ok());
    EXPECT_EQ(store_->sync(pack).error().code(), Errc::kIo) << "also after it was closed";
    EXPECT_EQ(put_bytes(*store_, pack, pattern(1, 1)).error().code(), Errc::kIo);
    EXPECT_EQ(disk_.calls(DiskCall::kSync), syncs) << "the disk is not asked again";
    EXPECT_EQ(*read_bytes(*store_, before), pattern(5000, 1));
    EXPECT_TRUE(survives(before, 1));

    const Location elsewhere = put(other, 100, 3);
    EXPECT_TRUE(store_->sync(other).ok());
    EXPECT_TRUE(survives(elsewhere, 3));
    ASSERT_TRUE(store_->remove_pack(pack).ok());
    EXPECT_EQ(store_->sync(pack).error().code(), Errc::kNotFound);
}

TEST_F(PackSync, RemovalsAreDurableOnceTheyAreSynced) {
    const PackId pack = open();
    const Location location = put(pack, 100, 1);
    ASSERT_TRUE(store_->sync(pack).ok());
    ASSERT_TRUE(store_->remove_pack(pack).ok());
    EXPECT_TRUE(survives(location, 1)) << "or the test cannot tell";
    disk_.fail_nth(DiskCall::kSyncDirectory, 1);
    EXPECT_EQ(store_->sync_removals().error().code(), Errc::kIo);
    EXPECT_TRUE(survives(location, 1));
    ASSERT_TRUE(store_->sync_removals().ok());
    EXPECT_FALSE(survives(location, 1));
    const std::uint64_t syncs = disk_.calls(DiskCall::kSyncDirectory);
    ASSERT_TRUE(store_->sync_removals().ok());
    EXPECT_EQ(disk_.calls(DiskCall::kSyncDirectory), syncs) << "nothing was removed since";
}

TEST_F(PackSync, AFailureToSyncTheNameIsAFailedSync) {
    const PackId pack = open();
    put(pack, 100, 1);
    disk_.fail_nth(DiskCall::kSyncDirectory, 1);
    EXPECT_EQ(store_->sync(pack).error().code(), Errc::kIo);
    EXPECT_EQ(store_->sync(pack).error().code(), Errc::kIo);
}

TEST_F(PackSync, AFailedSyncOfAPackOfAnEarlierRunIsFinalToo) {
    const PackId pack = open();
    put(pack, 100, 1);
    auto after = disk_.kill();
    auto store = open_store(*after, random_);
    after->fail_nth(DiskCall::kSync, 1);
    EXPECT_EQ(store->settle(pack).error().code(), Errc::kIo);
    EXPECT_EQ(store->settle(pack).error().code(), Errc::kIo);
}

TEST_F(PackSync, EveryWaiterOfAFailedSyncFailsAndSoDoesAPutThatWasInFlight) {
    const PackId pack = open();
    put(pack, 100, 0);
    CallGate writes(disk_, DiskCall::kWrite);
    std::thread putting(
        [&] { EXPECT_EQ(put_bytes(*store_, pack, pattern(100, 1)).error().code(), Errc::kIo); });
    writes.await(1);
    disk_.fail_nth(DiskCall::kSync, 1);  // the held write stays held
    std::vector<std::thread> waiters;
    for (int i = 0; i < 4; ++i)
        waiters.emplace_back([&] { EXPECT_EQ(store_->sync(pack).error().code(), Errc::kIo); });
    for (auto& waiter : waiters) waiter.join();
    writes.open();
    putting.join();
    EXPECT_EQ(disk_.calls(DiskCall::kSync), 1u);
}

TEST_F(PackSync, APackClosedBeforeItsSyncIsSyncedAllTheSame) {
    const PackId pack = open();
    const Location location = put(pack, 100, 1);
    ASSERT_TRUE(store_->close_pack(pack).ok());
    EXPECT_FALSE(survives(location, 1));
    EXPECT_EQ(*store_->sync(pack), 100u);
    EXPECT_TRUE(survives(location, 1));
}

TEST_F(PackSync, AfterAKillAPackOfBeforeIsReadOnlyAndSettlingMakesItDurable) {
    const PackId pack = open();
    const Location location = put(pack, 9000, 1);
    auto after = disk_.kill();
    auto store = open_store(*after, random_);
    EXPECT_EQ(put_bytes(*store, pack, pattern(1, 1)).error().code(), Errc::kBadHandle);
    EXPECT_EQ(*read_bytes(*store, location), pattern(9000, 1));
    EXPECT_TRUE(is_listed(*store, pack));
    ASSERT_TRUE(store->settle(pack).ok());
    auto image = after->crash(Crash::kSynced, random_);
    EXPECT_EQ(*read_bytes(*open_store(*image, random_), location), pattern(9000, 1));
}

}  // namespace
}  // namespace reelfs::test
