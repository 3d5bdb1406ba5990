#include "catalog/entry_cache.h"

namespace reelfs::catalog {

std::optional<NodeId> EntryCache::find(NodeId parent, std::string_view name) {
    const KeyView key{parent, name};
    Shard& shard = shard_of(key);
    MutexLock lock(shard.mutex);
    const auto it = shard.index.find(key);
    if (it == shard.index.end()) return std::nullopt;
    shard.order.splice(shard.order.begin(), shard.order, it->second);
    return it->second->node;
}

void EntryCache::put(NodeId parent, std::string_view name, NodeId node) {
    const KeyView key{parent, name};
    Shard& shard = shard_of(key);
    MutexLock lock(shard.mutex);
    if (const auto it = shard.index.find(key); it != shard.index.end()) {
        it->second->node = node;
        return;
    }
    if (shard.index.size() >= shard_entries_max_) {
        const Item& last = shard.order.back();
        shard.index.erase({last.parent, last.name});
        shard.order.pop_back();
    }
    shard.order.push_front({parent, std::string(name), node});
    shard.index.emplace(KeyView{parent, shard.order.front().name}, shard.order.begin());
}

void EntryCache::erase(NodeId parent, std::string_view name) {
    const KeyView key{parent, name};
    Shard& shard = shard_of(key);
    MutexLock lock(shard.mutex);
    const auto it = shard.index.find(key);
    if (it == shard.index.end()) return;
    const auto place = it->second;
    shard.index.erase(it);
    shard.order.erase(place);
}

}  // namespace reelfs::catalog
