// Group commit, see durability.h.
#include "catalog/durability.h"

#include <algorithm>

#include "reelfs/base/log.h"

namespace reelfs::catalog {

void Failure::set(const Error& error) {
    MutexLock lock(mutex_);
    if (first_) return;
    first_.emplace(Errc::kReadOnly,
                   "the catalog is read-only until restart, since this failed: " + error.message());
    failed_.store(true, std::memory_order_release);
    log::error("{}", first_->message());
}

Error Failure::error() const {
    MutexLock lock(mutex_);
    return *first_;
}

void Durability::attach(std::shared_ptr<File> log, std::uint32_t durable_frames) {
    MutexLock lock(mutex_);
    log_ = std::move(log);
    committed_.frames = durable_frames;
    durable_frames_.store(durable_frames, std::memory_order_relaxed);
}

void Durability::note_commit(std::uint32_t frame) {
    MutexLock lock(mutex_);
    ++committed_.commits;
    committed_.frames = frame;
}

void Durability::note_restart() {
    MutexLock lock(mutex_);
    ++committed_.generation;
    committed_.frames = 0;
    durable_frames_.store(0, std::memory_order_relaxed);
}

Result<void> Durability::sync() {
    MutexLock lock(mutex_);
    if (failure_.failed()) return failure_.error();
    const std::uint64_t wanted = committed_.commits;
    while (true) {
        if (durable_commits_ >= wanted) return done();
        if (failure_.failed()) return failure_.error();
        if (!running_) return run_sync();
        finished_.wait(mutex_);
    }
}

Result<void> Durability::sync_now() {
    MutexLock lock(mutex_);
    while (running_) finished_.wait(mutex_);
    if (failure_.failed()) return failure_.error();
    return run_sync();
}

// Everything up to `point` was written before it was noted, so before this fdatasync begins.
Result<void> Durability::run_sync() {
    const Point point = committed_;
    const std::shared_ptr<File> log = log_;
    running_ = true;
    mutex_.unlock();
    Result<void> result = log ? log->sync() : Result<void>(Error(Errc::kIo, "the log is not open"));
    syncs_.fetch_add(1, std::memory_order_relaxed);
    if (!result) failure_.set(result.error());
    mutex_.lock();
    running_ = false;
    if (result) {
        durable_commits_ = std::max(durable_commits_, point.commits);
        if (point.generation == committed_.generation)
            durable_frames_.store(point.frames, std::memory_order_relaxed);
    }
    finished_.notify_all();
    return result;
}

}  // namespace reelfs::catalog
