// The threads that seal: named jobs in a queue, bounded by the dirty budget that every job's bytes
// count against. Jobs never throw.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "reelfs/base/mutex.h"

namespace reelfs::core {

class SealPool {
  public:
    explicit SealPool(unsigned threads);
    /// Runs what is queued, then joins.
    ~SealPool();
    void run(std::function<void()> job) EXCLUDES(mutex_);

  private:
    void work() EXCLUDES(mutex_);

    Mutex mutex_;
    CondVar changed_;
    std::deque<std::function<void()>> jobs_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::vector<std::jthread> threads_;
};

}  // namespace reelfs::core
