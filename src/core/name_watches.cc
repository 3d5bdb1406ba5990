#include "core/name_watches.h"

#include <utility>

namespace reelfs::core {

void NameWatches::Watch::cancel() {
    std::function<void()> dropped;
    MutexLock lock(mutex_);
    dropped = std::exchange(wake_, nullptr);
}

void NameWatches::Watch::wake() {
    MutexLock lock(mutex_);
    if (const auto wake = std::exchange(wake_, nullptr)) wake();
}

std::shared_ptr<NameWatches::Watch> NameWatches::watch(std::function<void()> wake) {
    return std::make_shared<Watch>(*this, std::move(wake));
}

void NameWatches::add(const std::shared_ptr<Watch>& watch, NodeId folder, std::string_view name) {
    add_place(*watch, {folder, std::string(name)});
}

void NameWatches::add(const std::shared_ptr<Watch>& watch, NodeId file) {
    add_place(*watch, {file, ""});
}

void NameWatches::add_place(Watch& watch, Place place) {
    MutexLock lock(mutex_);
    if (!places_[place].emplace(&watch, watch.weak_from_this()).second) return;
    watch.places_.push_back(std::move(place));
    count_.store(places_.size(), std::memory_order_seq_cst);
}

void NameWatches::changed(NodeId folder, std::string_view name) {
    if (count_.load(std::memory_order_seq_cst) == 0) return;
    call({folder, std::string(name)});
}

void NameWatches::settled(NodeId file) {
    if (count_.load(std::memory_order_seq_cst) == 0) return;
    call({file, ""});
}

void NameWatches::call(const Place& place) {
    std::vector<std::shared_ptr<Watch>> called;
    {
        MutexLock lock(mutex_);
        const auto found = places_.find(place);
        if (found == places_.end()) return;
        for (const auto& [raw, weak] : found->second)
            if (auto watch = weak.lock()) called.push_back(std::move(watch));
    }
    for (const auto& watch : called) watch->wake();
}

void NameWatches::remove(Watch& watch) {
    MutexLock lock(mutex_);
    for (const Place& place : watch.places_) {
        const auto found = places_.find(place);
        found->second.erase(&watch);
        if (found->second.empty()) places_.erase(found);
    }
    count_.store(places_.size(), std::memory_order_seq_cst);
}

}  // namespace reelfs::core
