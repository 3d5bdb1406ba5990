#include "reelfs/base/metrics.h"

namespace reelfs {

void OperationMeter::record(std::int64_t ns, std::uint64_t byte_count, bool ok) {
    requests.fetch_add(1, std::memory_order_relaxed);
    if (!ok) failures.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(byte_count, std::memory_order_relaxed);
    const auto elapsed = static_cast<std::uint64_t>(ns < 0 ? 0 : ns);
    ns_total.fetch_add(elapsed, std::memory_order_relaxed);
    std::size_t bucket = 0;
    while (bucket < kBucketsUs.size() && elapsed > kBucketsUs[bucket] * 1000) ++bucket;
    buckets[bucket].fetch_add(1, std::memory_order_relaxed);
}

OperationMeter& Metrics::operation(std::string_view door, std::string_view name) {
    MutexLock lock(mutex_);
    for (auto& item : items_)
        if (item->door == door && item->operation == name) return item->meter;
    items_.push_back(std::make_unique<Item>());
    items_.back()->door = door;
    items_.back()->operation = name;
    return items_.back()->meter;
}

std::vector<Metrics::Named> Metrics::all() const {
    MutexLock lock(mutex_);
    std::vector<Named> named;
    named.reserve(items_.size());
    for (const auto& item : items_) named.push_back({item->door, item->operation, &item->meter});
    return named;
}

}  // namespace reelfs
