#include "core/known_nodes.h"

#include <algorithm>

namespace reelfs::core {

void KnownNodes::remember(NodeId node) {
    Shard& shard = shard_of(node);
    MutexLock lock(shard.mutex);
    ++shard.times[node];
}

bool KnownNodes::knows(NodeId node) const {
    const Shard& shard = shard_of(node);
    MutexLock lock(shard.mutex);
    return shard.times.contains(node);
}

bool KnownNodes::keep(std::shared_ptr<Node> node) {
    const NodeId id = node->id;
    Shard& shard = shard_of(id);
    MutexLock lock(shard.mutex);
    if (!shard.times.contains(id)) return false;
    shard.kept.emplace(id, std::move(node));
    return true;
}

void KnownNodes::note_removed(const Attributes& last) {
    Shard& shard = shard_of(last.node);
    MutexLock lock(shard.mutex);
    if (shard.times.contains(last.node)) shard.removed.insert_or_assign(last.node, last);
}

std::optional<Attributes> KnownNodes::removed(NodeId node) const {
    const Shard& shard = shard_of(node);
    MutexLock lock(shard.mutex);
    auto found = shard.removed.find(node);
    if (found == shard.removed.end()) return std::nullopt;
    return found->second;
}

std::shared_ptr<Node> KnownNodes::forget(NodeId node, std::uint64_t times) {
    Shard& shard = shard_of(node);
    MutexLock lock(shard.mutex);
    auto known = shard.times.find(node);
    if (known == shard.times.end()) return nullptr;
    known->second -= std::min(known->second, times);
    if (known->second > 0) return nullptr;
    shard.times.erase(known);
    shard.removed.erase(node);
    auto kept = shard.kept.extract(node);
    return kept ? std::move(kept.mapped()) : nullptr;
}

std::vector<std::shared_ptr<Node>> KnownNodes::forget_all() {
    std::vector<std::shared_ptr<Node>> all;
    for (Shard& shard : shards_) {
        MutexLock lock(shard.mutex);
        for (auto& [id, node] : shard.kept) all.push_back(std::move(node));
        shard.kept.clear();
        shard.removed.clear();
        shard.times.clear();
    }
    return all;
}

std::vector<std::shared_ptr<Node>> KnownNodes::take_kept(ContainerId container) {
    std::vector<std::shared_ptr<Node>> taken;
    for (Shard& shard : shards_) {
        MutexLock lock(shard.mutex);
        for (auto it = shard.kept.begin(); it != shard.kept.end();) {
            if (it->second->container == container) {
                taken.push_back(std::move(it->second));
                it = shard.kept.erase(it);
            } else {
                ++it;
            }
        }
    }
    return taken;
}

KnownNodes::Counts KnownNodes::counts() const {
    Counts total;
    for (const Shard& shard : shards_) {
        MutexLock lock(shard.mutex);
        total.known += shard.times.size();
        total.kept += shard.kept.size();
    }
    return total;
}

}  // namespace reelfs::core
