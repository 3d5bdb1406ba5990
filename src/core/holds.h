// Readers hold what they may still read: a freed range is given back to the disk only when every
// read that began before it was freed has ended. A hold is an epoch; the reclaimer asks for the
// oldest. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "reelfs/base/mutex.h"

namespace reelfs::core {

class Holds {
  public:
    class Hold {
      public:
        explicit Hold(Holds& holds) : holds_(&holds), epoch_(holds.enter()) {}
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() { holds_->leave(epoch_); }

      private:
        Holds* holds_;
        std::uint64_t epoch_;
    };

    /// Begins a new epoch and returns the one that ended: ranges freed by now may be reclaimed once
    /// oldest() is greater.
    std::uint64_t advance() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        return epoch_++;
    }
    std::uint64_t oldest() const EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        return oldest_now();
    }
    /// Waits until oldest() is greater than `epoch`; false when it is not within `wait`.
    bool wait_beyond(std::uint64_t epoch, std::chrono::milliseconds wait) EXCLUDES(mutex_) {
        const auto until = std::chrono::steady_clock::now() + wait;
        MutexLock lock(mutex_);
        while (oldest_now() <= epoch) {
            const auto left = until - std::chrono::steady_clock::now();
            if (left <= std::chrono::nanoseconds(0)) return false;
            left_.wait_for(mutex_, left);
        }
        return true;
    }

  private:
    std::uint64_t enter() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        ++active_[epoch_];
        return epoch_;
    }
    void leave(std::uint64_t epoch) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        auto it = active_.find(epoch);
        if (--it->second != 0) return;
        active_.erase(it);
        left_.notify_all();
    }
    std::uint64_t oldest_now() const REQUIRES(mutex_) {
        return active_.empty() ? epoch_ : active_.begin()->first;
    }

    CondVar left_;
    mutable Mutex mutex_;
    std::uint64_t epoch_ GUARDED_BY(mutex_) = 1;
    std::map<std::uint64_t, std::uint64_t> active_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
