// Counters and latency histograms by door and operation: plain atomics on the hot path, read when
// somebody scrapes /metrics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reelfs/base/mutex.h"

namespace reelfs {

/// One operation of one door, e.g. {mount, write} or {http, GetObject}. Thread-safe.
class OperationMeter {
  public:
    /// Upper bounds of the buckets in microseconds; one more bucket holds the rest.
    static constexpr std::array<std::uint64_t, 13> kBucketsUs{
        10, 25, 50, 100, 250, 500, 1'000, 5'000, 25'000, 100'000, 500'000, 2'500'000, 10'000'000};
    void record(std::int64_t ns, std::uint64_t bytes, bool ok);

    std::atomic<std::uint64_t> requests{0}, failures{0}, bytes{0}, ns_total{0};
    std::array<std::atomic<std::uint64_t>, kBucketsUs.size() + 1> buckets{};
};

class Metrics {
  public:
    /// The meter of (door, operation), made on first use. The reference lives as long as this
    /// object; look it up once.
    OperationMeter& operation(std::string_view door, std::string_view name) EXCLUDES(mutex_);

    struct Named {
        std::string door, operation;
        const OperationMeter* meter;
    };
    std::vector<Named> all() const EXCLUDES(mutex_);

  private:
    struct Item {
        std::string door, operation;
        OperationMeter meter;
    };
    mutable Mutex mutex_;
    std::vector<std::unique_ptr<Item>> items_ GUARDED_BY(mutex_);
};

}  // namespace reelfs
