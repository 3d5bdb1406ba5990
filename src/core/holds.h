// Readers hold what they may still read: a freed range is given back to the disk only when every
// read that began before it was freed has ended. A hold is an epoch; the reclaimer asks for the
// oldest. Thread-safe.
#pragma once

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
        return active_.empty() ? epoch_ : active_.begin()->first;
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
        if (--it->second == 0) active_.erase(it);
    }

    mutable Mutex mutex_;
    std::uint64_t epoch_ GUARDED_BY(mutex_) = 1;
    std::map<std::uint64_t, std::uint64_t> active_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
