// Open pack files that nobody writes, most recently used first, a bounded number; shared by all
// readers. Sharded by pack, each shard with a short lock; files are opened and closed outside it.
//
// A file that is removed while somebody opens it must not enter the cache afterwards (its room
// would stay taken): forget() advances the shard's epoch, and insert() takes only files whose epoch
// was read before they were opened.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "reelfs/base/disk.h"
#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::store {

class FileCache {
  public:
    static constexpr std::size_t kFilesMax = 256;

    /// Null when absent.
    std::shared_ptr<File> find(const PackId& pack);
    std::uint64_t epoch(const PackId& pack) const;
    /// Keeps `file` unless forget() was called since `epoch` was read.
    void insert(const PackId& pack, std::shared_ptr<File> file, std::uint64_t epoch);
    void forget(const PackId& pack);

  private:
    struct Entry {
        PackId pack;
        std::shared_ptr<File> file;
    };
    struct Shard {
        mutable Mutex mutex;
        std::list<Entry> recent GUARDED_BY(mutex);  // front: used last
        std::unordered_map<PackId, std::list<Entry>::iterator> by_pack GUARDED_BY(mutex);
        std::uint64_t epoch GUARDED_BY(mutex) = 0;
    };
    static constexpr std::size_t kShards = 8;

    // Not the bytes that choose the bucket within a shard's map.
    static std::size_t index_of(const PackId& pack) {
        return std::to_integer<std::size_t>(pack.bytes[15]) % kShards;
    }
    std::array<Shard, kShards> shards_;
};

}  // namespace reelfs::store
