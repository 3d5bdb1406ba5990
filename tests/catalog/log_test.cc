// The log in service: what is synced when, how it is recycled, who waits for whom.
#include <atomic>
#include <thread>

#include "catalog/durability.h"
#include "catalog/fixture.h"
#include "catalog/log_layout.h"

namespace reelfs::catalog {
namespace {

class LogTest : public testing::Test {
  protected:
    void SetUp() override {
        auto result = open_on(*disk_, random_);
        ASSERT_TRUE(result.ok()) << result.error().message();
        catalog_ = std::move(result->catalog);
    }
    std::uint64_t syncs() const { return disk_->calls(test::DiskCall::kSync); }

    test::SeededRandom random_;
    std::unique_ptr<test::SimDisk> disk_ = new_disk();
    std::unique_ptr<Catalog> catalog_;
};

TEST_F(LogTest, ACommitSyncsNothingAndIsOneWrite) {
    const auto before = syncs();
    const auto writes = disk_->calls(test::DiskCall::kWrite);
    for (std::uint64_t id = 10; id < 110; ++id) ASSERT_OK(create(*catalog_, id));
    EXPECT_EQ(syncs(), before);
    EXPECT_EQ(disk_->calls(test::DiskCall::kWrite), writes + 100);
    ASSERT_OK(catalog_->checkpoint());
    const auto after_checkpoint = syncs();
    ASSERT_OK(create(*catalog_, 200));
    EXPECT_EQ(syncs(), after_checkpoint);
}

TEST_F(LogTest, ACheckpointSyncsTheLogThenTheDatabaseThenTheRestartedLog) {
    ASSERT_OK(create(*catalog_, 10));
    std::vector<std::string> calls;
    disk_->set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        const std::string file = call.path == kLog ? "log" : "database";
        if (call.kind == test::DiskCall::kSync) calls.push_back("sync " + file);
        if (call.kind == test::DiskCall::kWrite &&
            (calls.empty() || calls.back() != "write " + file))
            calls.push_back("write " + file);
        return std::nullopt;
    });
    ASSERT_OK(catalog_->checkpoint());
    disk_->set_hook({});
    // Ours without the connection's lock, SQLite's, pages; header, its frame.
    ASSERT_GE(calls.size(), 6u);
    std::vector<std::string> unique;
    for (const auto& call : calls)
        if (unique.empty() || unique.back() != call) unique.push_back(call);
    EXPECT_EQ(unique, (std::vector<std::string>{"sync log", "write database", "sync database",
                                                "write log", "sync log", "write log"}));
}

TEST_F(LogTest, IsRecycledOverManyCheckpoints) {
    std::uint64_t id = 10;
    const std::uint64_t size = *(*disk_->open(kLog, OpenMode::kRead))->size();
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 10; ++i) ASSERT_OK(create(*catalog_, id++));
        ASSERT_OK(catalog_->checkpoint());
    }
    EXPECT_EQ(*(*disk_->open(kLog, OpenMode::kRead))->size(), size);
    for (int i = 0; i < 3; ++i) ASSERT_OK(create(*catalog_, id++));
    catalog_.reset();
    auto again = open_on(*disk_, random_);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->opened.log_report, "");
    for (std::uint64_t i = 10; i < id; ++i) EXPECT_TRUE(*has_node(*again->catalog, i));
}

TEST_F(LogTest, ARolledBackTransactionThatSpilledLeavesNoTrace) {
    const std::string value(60'000, 'v');
    for (int round = 0; round < 3; ++round) {
        auto result = catalog_->write([&](Writer& writer) -> Result<void> {
            for (int i = 0; i < 80; ++i)
                RF_CHECK(writer.set_xattr(NodeId(5), std::to_string(i), bytes_of(value)));
            return Error(Errc::kQuota, "no");
        });
        EXPECT_FAILS(Errc::kQuota, std::move(result));
        ASSERT_OK(create(*catalog_, 10 + static_cast<std::uint64_t>(round)));
        ASSERT_OK(catalog_->sync());
    }
    catalog_.reset();
    auto again = open_on(*disk_, random_);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->opened.log_report, "");
    for (std::uint64_t id : {10, 11, 12}) EXPECT_TRUE(*has_node(*again->catalog, id));
    EXPECT_TRUE(ask<std::vector<std::string>>(*again->catalog, [](Reader& reader) {
                    return reader.xattr_names(NodeId(5));
                })->empty());
}

// SQLite does not read the header of a log without frames, and draws new salts for the next one. A
// daemon that was killed between the two left frames behind that half of the time looked newer than
// the header: the store no longer opened.
TEST_F(LogTest, AStopBetweenARestartedHeaderAndItsFirstFrameIsHarmless) {
    std::uint64_t id = 10;
    for (int round = 0; round < 16; ++round) {
        for (int i = 0; i < 20; ++i) ASSERT_OK(create(*catalog_, id++));
        bool restarted = false;
        disk_->set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            if (call.kind != test::DiskCall::kWrite || call.path != kLog) return std::nullopt;
            if (!std::exchange(restarted, true)) return std::nullopt;  // the header
            return test::DiskFault{};
        });
        EXPECT_FALSE(catalog_->checkpoint().ok());
        disk_->set_hook({});
        ASSERT_TRUE(restarted);
        for (int start = 0; start < 2; ++start) {
            catalog_.reset();
            auto again = open_on(*disk_, random_);
            ASSERT_TRUE(again.ok()) << again.error().message();
            EXPECT_EQ(again->opened.log_report, "");
            catalog_ = std::move(again->catalog);
            ASSERT_OK(create(*catalog_, id++));
        }
        for (std::uint64_t i = 10; i < id; ++i) ASSERT_TRUE(*has_node(*catalog_, i));
    }
}

TEST_F(LogTest, ManyWhoWaitShareASync) {
    constexpr int kThreads = 8;
    constexpr int kEach = 40;
    const auto before = syncs();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i) {
                EXPECT_OK(create(*catalog_, static_cast<std::uint64_t>(1000 * (t + 1) + i)));
                EXPECT_OK(catalog_->sync());
                if (t == 0 && i % 10 == 0) EXPECT_OK(catalog_->checkpoint());
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_LE(syncs() - before, kThreads * kEach + 30u);
    auto left = disk_->crash(test::Crash::kSynced, random_);
    auto again = open_on(*left, random_);
    ASSERT_TRUE(again.ok()) << again.error().message();
    for (int t = 0; t < kThreads; ++t)
        for (int i = 0; i < kEach; ++i)
            EXPECT_TRUE(*has_node(*again->catalog, static_cast<std::uint64_t>(1000 * (t + 1) + i)));
}

// Holds the first sync in flight, commits, and lets two more wait: the second sync is one for both,
// and it begins after the first ended.
TEST_F(LogTest, ACommitDuringASyncWaitsForTheNext) {
    Mutex mutex;
    CondVar changed;
    int begun = 0;
    bool go = false;
    disk_->set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind != test::DiskCall::kSync) return std::nullopt;
        MutexLock lock(mutex);
        ++begun;
        changed.notify_all();
        while (!go) changed.wait(mutex);
        return std::nullopt;
    });
    ASSERT_OK(create(*catalog_, 10));
    std::thread first([&] { EXPECT_OK(catalog_->sync()); });
    {
        MutexLock lock(mutex);
        while (begun == 0) changed.wait(mutex);
    }
    ASSERT_OK(create(*catalog_, 11));
    std::atomic<int> finished{0};
    auto wait = [&] {
        EXPECT_OK(catalog_->sync());
        ++finished;
    };
    std::thread second(wait), third(wait);
    {
        MutexLock lock(mutex);
        EXPECT_EQ(begun, 1);
        EXPECT_EQ(finished, 0);
        go = true;
        changed.notify_all();
    }
    first.join();
    second.join();
    third.join();
    disk_->set_hook({});
    EXPECT_GE(begun, 2);
    EXPECT_LE(begun, 3);
    auto left = disk_->crash(test::Crash::kSynced, random_);
    auto again = open_on(*left, random_);
    EXPECT_TRUE(*has_node(*again->catalog, 11));
}

TEST_F(LogTest, AFailedSyncFailsAllWhoWaitAndEverythingAfter) {
    ASSERT_OK(create(*catalog_, 10));
    disk_->fail_nth(test::DiskCall::kSync, 1);
    EXPECT_FAILS(Errc::kIo, catalog_->sync());
    EXPECT_TRUE(catalog_->read_only());
    EXPECT_FAILS(Errc::kReadOnly, catalog_->sync());
    EXPECT_FAILS(Errc::kReadOnly, catalog_->checkpoint());
    EXPECT_FAILS(Errc::kReadOnly, catalog_->lease(Lease::kNodeIds, 1));
    EXPECT_FAILS(Errc::kReadOnly, create(*catalog_, 11));
    EXPECT_FAILS(Errc::kReadOnly, catalog_->close());
    EXPECT_TRUE(*has_node(*catalog_, 10));
}

TEST(LogLayout, LogicalAndPhysicalOffsetsMeet) {
    for (std::uint64_t frame = 1; frame < 2000; ++frame) {
        const FramePlace place = place_of(logical_size(frame - 1));
        EXPECT_EQ(place.frame, frame);
        EXPECT_EQ(place.within, 0u);
        EXPECT_EQ(place_of(logical_size(frame) - 1).within, kFrameBytes - 1);
        EXPECT_EQ(slots_in(physical_of(frame)), frame - 1);
        EXPECT_EQ(slots_in(physical_of(frame + 1) - 1), frame - 1);
    }
    EXPECT_EQ(slots_in(0), 0u);
    EXPECT_EQ(slots_in(4096), 0u);
}

}  // namespace
}  // namespace reelfs::catalog
