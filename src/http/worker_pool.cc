#include "http/worker_pool.h"

#include <pthread.h>

namespace reelfs::http {

WorkerPool::WorkerPool(unsigned threads, std::size_t queue_max) : queue_max_(queue_max) {
    threads_.reserve(threads);
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
        ::pthread_setname_np(threads_.back().native_handle(), "http-pool");
    }
}

WorkerPool::~WorkerPool() {
    {
        MutexLock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::try_post(Job& job) {
    {
        MutexLock lock(mutex_);
        if (waiting_ >= queue_max_) return false;
        append(job);
    }
    changed_.notify_one();
    return true;
}

void WorkerPool::post(Job& job) {
    {
        MutexLock lock(mutex_);
        append(job);
    }
    changed_.notify_one();
}

std::size_t WorkerPool::waiting() const {
    MutexLock lock(mutex_);
    return waiting_;
}

void WorkerPool::append(Job& job) {
    job.next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = &job;
    last_ = &job;
    ++waiting_;
}

void WorkerPool::work() {
    while (true) {
        Job* job = nullptr;
        {
            MutexLock lock(mutex_);
            while (first_ == nullptr && !stopping_) changed_.wait(mutex_);
            if (first_ == nullptr) return;
            job = first_;
            first_ = job->next_;
            --waiting_;
        }
        job->run();
    }
}

}  // namespace reelfs::http
