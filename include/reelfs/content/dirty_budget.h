// The bound on written bytes that are still in memory, over all files. A writer waits here for
// room, holding no lock; whoever seals and commits gives it back. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>

#include "reelfs/base/mutex.h"

namespace reelfs::content {

class DirtyBudget {
  public:
    explicit DirtyBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    /// Takes `bytes`, waiting while that would exceed the bound (one taker always passes an empty
    /// budget). Calls `pressed` before each wait: it starts the sealing of what is dirty.
    void take(std::uint64_t bytes, const std::function<void()>& pressed) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        while (used_ > 0 && used_ + bytes > bytes_max_) {
            lock.unlock();
            pressed();
            lock.lock();
            if (used_ > 0 && used_ + bytes > bytes_max_) room_.wait(mutex_);
        }
        used_ += bytes;
    }
    void give_back(std::uint64_t bytes) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        used_ -= bytes;
        room_.notify_all();
    }
    std::uint64_t used() const EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        return used_;
    }
    std::uint64_t bytes_max() const { return bytes_max_; }

  private:
    const std::uint64_t bytes_max_;
    mutable Mutex mutex_;
    CondVar room_;
    std::uint64_t used_ GUARDED_BY(mutex_) = 0;
};

}  // namespace reelfs::content
