#include "store/file_cache.h"

namespace reelfs::store {

std::shared_ptr<File> FileCache::find(const PackId& pack) {
    Shard& shard = shards_[index_of(pack)];
    MutexLock lock(shard.mutex);
    auto known = shard.by_pack.find(pack);
    if (known == shard.by_pack.end()) return nullptr;
    shard.recent.splice(shard.recent.begin(), shard.recent, known->second);
    return known->second->file;
}

std::uint64_t FileCache::epoch(const PackId& pack) const {
    const Shard& shard = shards_[index_of(pack)];
    MutexLock lock(shard.mutex);
    return shard.epoch;
}

void FileCache::insert(const PackId& pack, std::shared_ptr<File> file, std::uint64_t epoch) {
    std::shared_ptr<File> evicted;  // closed after the lock is released
    Shard& shard = shards_[index_of(pack)];
    MutexLock lock(shard.mutex);
    if (shard.epoch != epoch || shard.by_pack.count(pack) != 0) return;
    if (shard.recent.size() >= kFilesMax / kShards) {
        evicted = std::move(shard.recent.back().file);
        shard.by_pack.erase(shard.recent.back().pack);
        shard.recent.pop_back();
    }
    shard.recent.push_front({pack, std::move(file)});
    shard.by_pack.emplace(pack, shard.recent.begin());
}

void FileCache::forget(const PackId& pack) {
    std::shared_ptr<File> forgotten;
    Shard& shard = shards_[index_of(pack)];
    MutexLock lock(shard.mutex);
    ++shard.epoch;
    auto known = shard.by_pack.find(pack);
    if (known == shard.by_pack.end()) return;
    forgotten = std::move(known->second->file);
    shard.recent.erase(known->second);
    shard.by_pack.erase(known);
}

}  // namespace reelfs::store
