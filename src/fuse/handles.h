// Open handles by number: what stands in fi->fh. The number is a slot and the slot's generation, so
// a handle that was released, or never given out, is EBADF and never somebody else's file.
//
// Thread-safe. Sixteen shards, each under a lock held for a few instructions; nothing of the tree
// is called under it. A pointer that find() returned keeps its object alive while it is used.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "reelfs/base/mutex.h"

namespace reelfs::fuse {

template <class T>
class HandleTable {
  public:
    /// Handles open at once; beyond it insert() refuses (ENFILE).
    static constexpr std::size_t kHandlesMax = std::size_t{1} << 20;
    static constexpr std::size_t kShards = 16;
    static_assert((kShards & (kShards - 1)) == 0 && kHandlesMax % kShards == 0);

    explicit HandleTable(std::size_t handles_max = kHandlesMax)
        : slots_per_shard_max_(handles_max / kShards) {}

    /// The new handle's number, never 0; nothing when the table is full.
    std::optional<std::uint64_t> insert(std::shared_ptr<T> object) {
        std::size_t first = next_shard_.fetch_add(1, std::memory_order_relaxed);
        for (std::size_t i = 0; i < kShards; ++i) {
            auto number = insert_in((first + i) % kShards, object);
            if (number) return number;
        }
        return std::nullopt;
    }

    /// Null when the number is stale.
    std::shared_ptr<T> find(std::uint64_t number) const {
        const Shard& shard = shards_[shard_of(number)];
        ReadLock lock(shard.mutex);
        std::size_t index = index_of(number);
        if (index >= shard.slots.size()) return nullptr;
        const Slot& slot = shard.slots[index];
        return slot.generation == generation_of(number) ? slot.object : nullptr;
    }

    /// Takes the object out; the number is stale afterwards. Null when it was.
    std::shared_ptr<T> take(std::uint64_t number) {
        Shard& shard = shards_[shard_of(number)];
        WriteLock lock(shard.mutex);
        std::size_t index = index_of(number);
        if (index >= shard.slots.size()) return nullptr;
        Slot& slot = shard.slots[index];
        if (slot.generation != generation_of(number) || !slot.object) return nullptr;
        return take_slot(shard, index);
    }

    /// Takes everything out: what the kernel never released because the mount went away.
    std::vector<std::shared_ptr<T>> take_all() {
        std::vector<std::shared_ptr<T>> all;
        for (Shard& shard : shards_) {
            WriteLock lock(shard.mutex);
            for (std::size_t index = 0; index < shard.slots.size(); ++index) {
                if (shard.slots[index].object) all.push_back(take_slot(shard, index));
            }
        }
        return all;
    }

  private:
    struct Slot {
        std::uint32_t generation = 1;
        std::shared_ptr<T> object;
    };
    struct Shard {
        mutable SharedMutex mutex;
        std::vector<Slot> slots GUARDED_BY(mutex);
        std::vector<std::uint32_t> free GUARDED_BY(mutex);
    };

    // number = generation << 32 | index << 4 | shard
    static std::size_t shard_of(std::uint64_t number) { return number % kShards; }
    static std::size_t index_of(std::uint64_t number) {
        return static_cast<std::uint32_t>(number) / kShards;
    }
    static std::uint32_t generation_of(std::uint64_t number) {
        return static_cast<std::uint32_t>(number >> 32);
    }

    std::optional<std::uint64_t> insert_in(std::size_t shard_index, std::shared_ptr<T>& object) {
        Shard& shard = shards_[shard_index];
        WriteLock lock(shard.mutex);
        if (shard.free.empty()) {
            if (shard.slots.size() >= slots_per_shard_max_) return std::nullopt;
            shard.free.reserve(shard.slots.size() + 1);  // so that taking out never allocates
            shard.slots.emplace_back();
            shard.free.push_back(static_cast<std::uint32_t>(shard.slots.size() - 1));
        }
        std::uint32_t index = shard.free.back();
        shard.free.pop_back();
        Slot& slot = shard.slots[index];
        slot.object = std::move(object);
        return std::uint64_t{slot.generation} << 32 | std::uint64_t{index} * kShards | shard_index;
    }

    static std::shared_ptr<T> take_slot(Shard& shard, std::size_t index) REQUIRES(shard.mutex) {
        Slot& slot = shard.slots[index];
        if (++slot.generation == 0) slot.generation = 1;
        shard.free.push_back(static_cast<std::uint32_t>(index));
        return std::exchange(slot.object, nullptr);
    }

    const std::size_t slots_per_shard_max_;
    std::atomic<std::size_t> next_shard_{0};
    std::array<Shard, kShards> shards_;
};

}  // namespace reelfs::fuse
