#include "core/node.h"

#include <algorithm>

namespace reelfs::core {

Node::~Node() {
    slices_in_memory_->fetch_sub(slices_counted_, std::memory_order_relaxed);
}

void Node::load_map(std::shared_ptr<const FileMap> loaded) {
    map = std::move(loaded);
    count_slices();
}

FileMap& Node::writable_map() {
    if (map.use_count() > 1) map = std::make_shared<FileMap>(*map);
    return *std::const_pointer_cast<FileMap>(map);
}

void Node::edit_map(const MapEdit& edit) {
    writable_map().apply(edit);
    count_slices();
}

void Node::mark_shared(std::span<const ExtentId> extents) {
    writable_map().mark_shared(extents);
}

void Node::count_slices() {
    const std::size_t now = map->slice_count();
    slices_in_memory_->fetch_add(now - slices_counted_, std::memory_order_relaxed);  // may wrap
    slices_counted_ = now;
}

Attributes Node::live() const {
    Attributes attributes = row.attributes;
    if (attributes.is_file()) attributes.size = size;
    if (upload == Upload::kShown) {
        attributes.links = 1;  // its name is not in the catalog yet
        attributes.grows_elsewhere = true;
    }
    if (written_at) {
        attributes.modified = *written_at;
        attributes.changed = std::max(attributes.changed, *written_at);
        std::uint64_t waiting = runs.bytes();
        for (const auto& batch : batches) waiting += batch->dirty_bytes;
        attributes.allocated_bytes = (attributes.allocated_bytes + waiting + 511) / 512 * 512;
    }
    return attributes;
}

std::uint64_t Node::unheld(std::uint64_t offset, std::uint64_t length) const {
    if (offset >= size) return length;
    std::uint64_t bytes = 0;
    const std::uint64_t end = offset + length;
    for (std::uint64_t at = offset; at < end;) {
        const std::uint64_t clean = runs.next_clean(at, end);
        const std::uint64_t stop = runs.next_dirty(clean, end);
        for (const FileMap::Piece& piece : map->pieces(clean, stop - clean)) {
            if (piece.extent) continue;
            // A hole of the map, less what batches under way hold of it.
            std::uint64_t hole = piece.file_offset;
            const std::uint64_t hole_end = hole + piece.length;
            while (hole < hole_end) {
                std::uint64_t next = hole_end;
                std::uint64_t beyond = hole;
                for (const auto& batch : batches)
                    for (const auto& run : batch->runs) {
                        if (run.offset <= hole && run.end() > hole)
                            beyond = std::max(beyond, std::min(run.end(), hole_end));
                        else if (run.offset > hole)
                            next = std::min(next, run.offset);
                    }
                if (beyond > hole) {
                    hole = beyond;
                } else {
                    bytes += next - hole;
                    hole = next;
                }
            }
        }
        at = stop;
    }
    return bytes;
}

bool Node::idle() const {
    return handles == 0 && runs.empty() && batches.empty() && watchers.empty() && !failed;
}

std::vector<std::shared_ptr<Watcher>> Node::take_woken() {
    std::vector<std::shared_ptr<Watcher>> woken;
    for (auto it = watchers.begin(); it != watchers.end();) {
        if ((*it)->size < size || !growing || (*it)->cuts != cuts || failed) {
            woken.push_back(*it);
            it = watchers.erase(it);
        } else {
            ++it;
        }
    }
    return woken;
}

void wake_all(const std::vector<std::shared_ptr<Watcher>>& watchers) {
    for (const auto& watcher : watchers) {
        MutexLock lock(watcher->mutex);
        if (!watcher->fired && watcher->wake) watcher->wake();
        watcher->fired = true;
    }
}

std::shared_ptr<Node> NodeTable::find(NodeId id) {
    Shard& shard = shard_of(id);
    MutexLock lock(shard.mutex);
    auto it = shard.slots.find(id);
    if (it == shard.slots.end()) return nullptr;
    shard.order.splice(shard.order.begin(), shard.order, it->second.place);
    return it->second.node;
}

std::shared_ptr<Node> NodeTable::adopt(const catalog::NodeRow& row) {
    const NodeId id = row.attributes.node;
    Shard& shard = shard_of(id);
    MutexLock lock(shard.mutex);
    auto it = shard.slots.find(id);
    if (it != shard.slots.end()) return it->second.node;
    evict(shard, shard_entries_max_);
    auto node = std::make_shared<Node>(row, slices_);
    shard.order.push_front(id);
    shard.slots.emplace(id, Slot{node, shard.order.begin()});
    return node;
}

void NodeTable::forget(NodeId id) {
    std::shared_ptr<Node> last;  // destroyed after the lock
    Shard& shard = shard_of(id);
    MutexLock lock(shard.mutex);
    auto it = shard.slots.find(id);
    if (it == shard.slots.end()) return;
    last = std::move(it->second.node);
    shard.order.erase(it->second.place);
    shard.slots.erase(it);
}

void NodeTable::bound_slices() {
    for (Shard& shard : shards_) {
        if (slices() <= slices_max_) return;
        MutexLock lock(shard.mutex);
        evict(shard, shard_entries_max_);
    }
}

void NodeTable::evict(Shard& shard, std::size_t entries_max) {
    // A node that somebody else refers to stays: a second object for one id would split its state.
    int looked = 0;
    for (auto it = shard.order.end();
         (shard.slots.size() >= entries_max || slices() > slices_max_) &&
         it != shard.order.begin() && looked < 64;
         ++looked) {
        --it;
        auto slot = shard.slots.find(*it);
        if (slot->second.node.use_count() > 1) continue;
        {
            MutexLock lock(slot->second.node->mutex);
            if (!slot->second.node->idle()) continue;
        }
        shard.slots.erase(slot);
        it = shard.order.erase(it);
    }
}

std::size_t NodeTable::size() const {
    std::size_t total = 0;
    for (const Shard& shard : shards_) {
        MutexLock lock(shard.mutex);
        total += shard.slots.size();
    }
    return total;
}

}  // namespace reelfs::core
