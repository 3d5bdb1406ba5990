#include "reelfs/content/block_cache.h"

#include "reelfs/model/limits.h"

namespace reelfs::content {

namespace {
constexpr std::size_t kItemOverhead = 160;  // list node, index node, control block
}

BlockCache::BlockCache(std::size_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {
    for (Shard& shard : shards_) {
        MutexLock lock(shard.mutex);
        shard.index.reserve(shard_bytes_max_ >> limits::block_shift_default);
    }
}

BlockCache::Block BlockCache::find(const BlockKey& key) {
    Shard& shard = shard_of(key);
    MutexLock lock(shard.mutex);
    auto it = shard.index.find(key);
    if (it == shard.index.end()) {
        misses_.fetch_add(1, std::memory_order_relaxed);
        return nullptr;
    }
    hits_.fetch_add(1, std::memory_order_relaxed);
    shard.order.splice(shard.order.begin(), shard.order, it->second);
    return it->second->block;
}

void BlockCache::insert(const BlockKey& key, Block block) {
    const std::size_t cost = block->size() + kItemOverhead;
    if (cost > shard_bytes_max_) return;
    std::list<Item> evicted;  // freed after the lock
    Shard& shard = shard_of(key);
    MutexLock lock(shard.mutex);
    if (shard.index.contains(key)) return;
    shard.order.push_front({key, std::move(block)});
    shard.index.emplace(key, shard.order.begin());
    shard.bytes += cost;
    while (shard.bytes > shard_bytes_max_) {
        auto last = std::prev(shard.order.end());
        shard.bytes -= last->block->size() + kItemOverhead;
        shard.index.erase(last->key);
        evicted.splice(evicted.begin(), shard.order, last);
    }
}

BlockCache::Stats BlockCache::stats() const {
    Stats stats{hits_.load(std::memory_order_relaxed), misses_.load(std::memory_order_relaxed), 0};
    for (const Shard& shard : shards_) {
        MutexLock lock(shard.mutex);
        stats.bytes += shard.bytes;
    }
    return stats;
}

}  // namespace reelfs::content
