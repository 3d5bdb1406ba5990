// Random for tests: the same seed gives the same bytes. Without a seed it takes REELFS_SEED from
// the environment, else a fresh one, and prints it, so that a failure can be run again:
//
//     REELFS_SEED=123 build/debug/tests/test_store --gtest_filter=...
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "reelfs/base/mutex.h"
#include "reelfs/base/random.h"

namespace reelfs::test {

class SeededRandom final : public Random {
  public:
    /// A seed from the environment or a fresh one; printed.
    SeededRandom() : SeededRandom(seed_of_run()) {
        std::printf("[     SEED ] REELFS_SEED=%llu\n", static_cast<unsigned long long>(seed_));
        std::fflush(stdout);
    }
    explicit SeededRandom(std::uint64_t seed) : seed_(seed), state_(seed) {}

    void fill(MutableBytes out) override {
        MutexLock lock(mutex_);
        for (std::size_t at = 0; at < out.size(); at += 8) {
            std::uint64_t word = next();
            std::memcpy(out.data() + at, &word, std::min<std::size_t>(8, out.size() - at));
        }
    }
    /// Uniform in [0, bound); 0 when bound is 0.
    std::uint64_t below(std::uint64_t bound) {
        return bound == 0 ? 0 : integer<std::uint64_t>() % bound;
    }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    std::uint64_t seed() const { return seed_; }

  private:
    static std::uint64_t seed_of_run() {
        if (const char* given = std::getenv("REELFS_SEED")) return std::strtoull(given, nullptr, 0);
        return std::random_device{}();
    }
    /// splitmix64
    std::uint64_t next() REQUIRES(mutex_) {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ z >> 27) * 0x94D049BB133111EBull;
        return z ^ z >> 31;
    }

    const std::uint64_t seed_;
    Mutex mutex_;
    std::uint64_t state_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::test
