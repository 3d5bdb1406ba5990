// All calls at once, for the thread sanitizer and for the races it cannot see.
#include <atomic>
#include <thread>

#include "store/sim_store.h"

namespace reelfs::test {
namespace {

using PackThreads = SimStoreTest;

void expect_ok(const auto& result) {
    EXPECT_TRUE(result.ok());
}

TEST_F(PackThreads, EveryCallMayRunAtOnce) {
    constexpr int kThreads = 4, kSteps = 150;
    const PackId shared = open();
    std::atomic<std::uint64_t> seeds{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            SeededRandom random(random_.seed() + static_cast<std::uint64_t>(t));
            for (int step = 0; step < kSteps; ++step) {
                const std::uint64_t seed = ++seeds;
                const std::size_t size = 1 + random.below(9000);
                const PackId pack = random.one_in(2) ? shared : open();
                const Location location = put(pack, size, seed);
                if (random.one_in(2)) expect_ok(store_->sync(pack));
                EXPECT_EQ(*read_bytes(*store_, location), pattern(size, seed));
                if (random.one_in(4))
                    expect_ok(store_->free({pack, location.offset, location.length}));
                if (random.one_in(20)) expect_ok(store_->list());
                if (random.one_in(20)) expect_ok(store_->space());
                if (pack == shared) continue;
                if (random.one_in(2)) expect_ok(store_->close_pack(pack));
                if (random.one_in(2)) expect_ok(store_->settle(pack));
                if (random.one_in(3)) expect_ok(store_->set_aside(pack));
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(store_->sync(shared).ok());
}

TEST_F(PackThreads, ARemovedPackKeepsNoDescriptorWhoeverReadsItMeanwhile) {
    for (std::uint64_t run = 0; run < 100; ++run) {
        const PackId pack = open();
        const Location location = put(pack, 100, run);
        ASSERT_TRUE(store_->sync(pack).ok());
        std::vector<std::thread> threads;
        for (int t = 0; t < 2; ++t)
            threads.emplace_back([&] {
                while (true) {
                    auto bytes = read_bytes(*store_, location);
                    if (!bytes) {
                        EXPECT_EQ(bytes.error().code(), Errc::kNotFound);
                        return;
                    }
                    EXPECT_EQ(*bytes, pattern(100, run));
                }
            });
        threads.emplace_back([&] { EXPECT_TRUE(store_->close_pack(pack).ok()); });
        threads.emplace_back([&] { EXPECT_TRUE(store_->remove_pack(pack).ok()); });
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(disk_.open_files(), 0u);
    }
}

}  // namespace
}  // namespace reelfs::test
