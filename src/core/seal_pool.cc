#include "core/seal_pool.h"

#include <pthread.h>

namespace reelfs::core {

SealPool::SealPool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i)
        threads_.emplace_back([this] {
            ::pthread_setname_np(::pthread_self(), "seal");
            work();
        });
}

SealPool::~SealPool() {
    {
        MutexLock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    threads_.clear();
}

void SealPool::run(std::function<void()> job) {
    {
        MutexLock lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

void SealPool::work() {
    while (true) {
        std::function<void()> job;
        {
            MutexLock lock(mutex_);
            while (jobs_.empty() && !stopping_) changed_.wait(mutex_);
            if (jobs_.empty()) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        job();
    }
}

}  // namespace reelfs::core
