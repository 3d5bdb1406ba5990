#include "fuse/handles.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace reelfs::fuse {
namespace {

TEST(Handles, FindsWhatWasInsertedUntilItIsTaken) {
    HandleTable<int> table;
    auto number = table.insert(std::make_shared<int>(5));
    ASSERT_TRUE(number);
    EXPECT_NE(*number, 0u);
    ASSERT_TRUE(table.find(*number));
    EXPECT_EQ(*table.find(*number), 5);
    EXPECT_EQ(*table.take(*number), 5);
    EXPECT_FALSE(table.find(*number));
    EXPECT_FALSE(table.take(*number));
}

TEST(Handles, NeverGiveAStaleNumberAnotherObject) {
    HandleTable<int> table(16);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        auto number = table.insert(std::make_shared<int>(i));
        ASSERT_TRUE(number);
        EXPECT_TRUE(seen.insert(*number).second) << "the number was given out before";
        for (std::uint64_t stale : seen) {
            if (stale != *number) {
                EXPECT_FALSE(table.find(stale));
            }
        }
        table.take(*number);
    }
}

TEST(Handles, NumbersThatWereNeverGivenOutAreStale) {
    HandleTable<int> table;
    auto number = *table.insert(std::make_shared<int>(1));
    for (std::uint64_t made_up : {std::uint64_t{0}, ~std::uint64_t{0}, number + 16, number ^ 1,
                                  number + (std::uint64_t{1} << 32)}) {
        EXPECT_FALSE(table.find(made_up)) << made_up;
        EXPECT_FALSE(table.take(made_up)) << made_up;
    }
}

TEST(Handles, RefuseWhenFullAndServeAgainAfterOneIsTaken) {
    HandleTable<int> table(32);
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < 32; ++i) numbers.push_back(*table.insert(std::make_shared<int>(i)));
    EXPECT_FALSE(table.insert(std::make_shared<int>(32)));
    table.take(numbers[11]);
    EXPECT_TRUE(table.insert(std::make_shared<int>(33)));
}

TEST(Handles, AFoundObjectOutlivesItsRelease) {
    HandleTable<int> table;
    auto number = *table.insert(std::make_shared<int>(9));
    auto used = table.find(number);
    table.take(number);
    EXPECT_EQ(*used, 9);
}

TEST(Handles, TakeAllEmptiesTheTable) {
    HandleTable<int> table;
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < 100; ++i) numbers.push_back(*table.insert(std::make_shared<int>(i)));
    EXPECT_EQ(table.take_all().size(), 100u);
    EXPECT_TRUE(table.take_all().empty());
    for (auto number : numbers) EXPECT_FALSE(table.find(number));
}

TEST(Handles, ManyThreadsMixFreely) {
    HandleTable<int> table(256);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&table, t] {
            for (int i = 0; i < 5000; ++i) {
                auto number = table.insert(std::make_shared<int>(t * 10'000 + i));
                if (!number) continue;
                auto found = table.find(*number);
                ASSERT_TRUE(found);
                EXPECT_EQ(*found, t * 10'000 + i);
                EXPECT_TRUE(table.take(*number));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(table.take_all().empty());
}

}  // namespace
}  // namespace reelfs::fuse
