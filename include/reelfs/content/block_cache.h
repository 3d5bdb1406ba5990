// Opened blocks in memory, least recently used out first, within one byte budget. Plaintext is
// wiped neither here nor in the kernel's page cache: memory is trusted, disks are not. Extents
// never change, so nothing is ever invalidated; ids are never reused. Thread-safe; sharded so that
// readers of different blocks do not meet.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <unordered_map>

#include "reelfs/base/bytes.h"
#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::content {

struct BlockKey {
    ExtentId extent;
    BlockIndex block;
    bool operator==(const BlockKey&) const = default;
};
/// In place of a block index: the extent's tag table.
inline constexpr BlockIndex kTagTable{0xFFFFFFFF};

class BlockCache {
  public:
    using Block = std::shared_ptr<const Buffer>;
    explicit BlockCache(std::size_t bytes_max);

    /// Null when absent.
    Block find(const BlockKey& key);
    void insert(const BlockKey& key, Block block);

    struct Stats {
        std::uint64_t hits = 0, misses = 0, bytes = 0;
    };
    Stats stats() const;

  private:
    struct Hash {
        std::size_t operator()(const BlockKey& key) const {
            return std::hash<ExtentId>{}(key.extent) * 31 +
                   key.block.value() * 0x9E3779B97F4A7C15ull;
        }
    };
    struct Item {
        BlockKey key;
        Block block;
    };
    struct Shard {
        mutable Mutex mutex;
        std::list<Item> order GUARDED_BY(mutex);  // most recent first
        std::unordered_map<BlockKey, std::list<Item>::iterator, Hash> index GUARDED_BY(mutex);
        std::size_t bytes GUARDED_BY(mutex) = 0;
    };
    static constexpr std::size_t kShards = 16;
    Shard& shard_of(const BlockKey& key) { return shards_[Hash{}(key) >> 20 & (kShards - 1)]; }

    const std::size_t shard_bytes_max_;
    std::array<Shard, kShards> shards_;
    std::atomic<std::uint64_t> hits_{0}, misses_{0};
};

}  // namespace reelfs::content
