// A Random that repeats: the same seed gives the same bytes. Only in tests; thread-safe.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/base/random.h"

namespace reelfs {

class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
    void fill(MutableBytes out) override {
        MutexLock lock(mutex_);
        for (std::byte& byte : out) byte = static_cast<std::byte>(next() >> 56);
    }
    std::vector<std::byte> bytes(std::size_t size) {
        std::vector<std::byte> made(size);
        fill(made);
        return made;
    }
    std::size_t below(std::size_t bound) { return integer<std::uint64_t>() % bound; }

  private:
    std::uint64_t next() REQUIRES(mutex_) {  // splitmix64
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }
    Mutex mutex_;
    std::uint64_t state_ GUARDED_BY(mutex_);
};

/// REELFS_SEED, or a fixed one; printed, so that a failure can be repeated.
inline std::uint64_t test_seed() {
    const char* text = std::getenv("REELFS_SEED");
    const std::uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 0) : 20'240'601;
    ::testing::Test::RecordProperty("seed", std::to_string(seed));
    std::printf("seed: REELFS_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

}  // namespace reelfs
