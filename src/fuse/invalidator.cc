#include "fuse/invalidator.h"

#include <exception>

#include "fuse/operation.h"
#include "reelfs/base/log.h"

namespace reelfs::fuse {

Invalidator::Invalidator(KernelCache& kernel, const NodeIds& ids, std::size_t queue_max)
    : kernel_(kernel), ids_(ids), queue_max_(queue_max), thread_([this] { run(); }) {}

Invalidator::~Invalidator() {
    stop();
}

void Invalidator::entry_changed(NodeId parent, std::string_view name) {
    auto ino = ids_.visible_ino_of(parent);
    if (ino) enqueue({*ino, std::string(name)});
}

void Invalidator::content_changed(NodeId node) {
    auto ino = ids_.visible_ino_of(node);
    if (ino) enqueue({*ino, std::nullopt});
}

void Invalidator::enqueue(Change change) {
    MutexLock lock(mutex_);
    while (!stopping_ && queue_.size() >= queue_max_) delivered_.wait(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(change));
    ++queued_count_;
    queued_.notify_one();
}

void Invalidator::flush() {
    MutexLock lock(mutex_);
    std::uint64_t wanted = queued_count_;
    while (!stopping_ && delivered_count_ < wanted) delivered_.wait(mutex_);
}

void Invalidator::stop() {
    {
        MutexLock lock(mutex_);
        stopping_ = true;
        queue_.clear();
        queued_.notify_all();
        delivered_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Invalidator::run() noexcept {
    MutexLock lock(mutex_);
    while (true) {
        while (!stopping_ && queue_.empty()) queued_.wait(mutex_);
        if (stopping_) return;
        Change change = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        deliver(change);
        lock.lock();
        ++delivered_count_;
        delivered_.notify_all();
    }
}

void Invalidator::deliver(const Change& change) {
    if (!change.name) return kernel_.forget_node(change.ino);
    kernel_.forget_name(change.ino, *change.name);
    // The kernel touches the directory itself only when it knew the name.
    kernel_.forget_node(change.ino);
}

}  // namespace reelfs::fuse
