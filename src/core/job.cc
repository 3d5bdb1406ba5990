#include "reelfs/core/job.h"

#include <algorithm>
#include <chrono>

namespace reelfs::core {

namespace {

std::int64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

Error cancelled() {
    return {Errc::kCancelled, "cancelled"};
}

}  // namespace

void Job::begin(std::string stage, std::uint64_t total_bytes, std::uint64_t done_bytes) {
    MutexLock lock(mutex_);
    state_.stage = std::move(stage);
    state_.total_bytes = total_bytes;
    state_.done_bytes = done_bytes;
}

Result<void> Job::advance(std::uint64_t bytes) {
    MutexLock lock(mutex_);
    state_.done_bytes += bytes;
    if (rate_ != 0) {
        // What was not used in a pause is not made up for.
        const auto cost = static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 /
                                                    static_cast<double>(rate_));
        next_ns_ = std::max(next_ns_, now_ns()) + cost;
        while (!cancelled_) {
            const std::int64_t wait = next_ns_ - cost - now_ns();
            if (wait <= 0) break;
            changed_.wait_for(mutex_, std::chrono::nanoseconds(wait));
        }
    }
    if (cancelled_) return cancelled();
    return done();
}

Result<void> Job::check_cancelled() {
    MutexLock lock(mutex_);
    if (cancelled_) return cancelled();
    return done();
}

void Job::found() {
    MutexLock lock(mutex_);
    ++state_.findings;
}

void Job::cancel() {
    {
        MutexLock lock(mutex_);
        cancelled_ = true;
    }
    changed_.notify_all();
}

Job::State Job::state() const {
    MutexLock lock(mutex_);
    return state_;
}

}  // namespace reelfs::core
