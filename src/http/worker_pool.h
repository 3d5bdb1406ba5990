// The threads on which HTTP waits for the tree: opening an object, reading what is not in memory.
// A fixed number, with a bounded queue in front.
//
// Threads: all functions are thread-safe. A Job is owned by whoever posts it and must stay alive
// until run() has returned; the queue links jobs through themselves, so posting allocates nothing.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

#include "reelfs/base/mutex.h"

namespace reelfs::http {

class WorkerPool {
  public:
    class Job {
      public:
        virtual ~Job() = default;
        virtual void run() noexcept = 0;

      private:
        friend class WorkerPool;
        Job* next_ = nullptr;
    };

    WorkerPool(unsigned threads, std::size_t queue_max);
    /// Runs what is queued, then joins.
    ~WorkerPool();

    /// For a new request: false when `queue_max` jobs wait.
    bool try_post(Job& job) EXCLUDES(mutex_);
    /// For a request already admitted (at most one job each): always queued.
    void post(Job& job) EXCLUDES(mutex_);
    std::size_t waiting() const EXCLUDES(mutex_);

  private:
    void work() EXCLUDES(mutex_);
    void append(Job& job) REQUIRES(mutex_);

    const std::size_t queue_max_;
    mutable Mutex mutex_;
    CondVar changed_;
    Job* first_ GUARDED_BY(mutex_) = nullptr;
    Job* last_ GUARDED_BY(mutex_) = nullptr;
    std::size_t waiting_ GUARDED_BY(mutex_) = 0;
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::vector<std::thread> threads_;
};

}  // namespace reelfs::http
