#include "app/stop_watch.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>

#include "app/exit_code.h"
#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {
constexpr auto kSayEvery = std::chrono::seconds(2);
}

StopWatch::StopWatch() {
    thread_ = std::thread([this] { run(); });
}

StopWatch::~StopWatch() {
    {
        MutexLock lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void StopWatch::waiting_for(std::string what, std::int64_t bound_ms) {
    log::info("stopping: {}", what);
    MutexLock lock(mutex_);
    what_ = std::move(what);
    bound_ms_ = bound_ms;
    ++step_;
    changed_.notify_all();
}

void StopWatch::run() noexcept {
    ::pthread_setname_np(::pthread_self(), "stop-watch");
    using Clock = std::chrono::steady_clock;
    MutexLock lock(mutex_);
    std::uint64_t step = step_;
    auto began = Clock::now();
    while (!ended_) {
        changed_.wait_for(mutex_, kSayEvery);
        if (ended_) return;
        if (step != step_) {
            step = step_;
            began = Clock::now();
            continue;
        }
        const auto waited =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
        if (waited + 100 < std::chrono::milliseconds(kSayEvery).count()) continue;
        log::info("still stopping: {} ({} s)", what_, waited / 1000);
        if (bound_ms_ == 0 || waited < bound_ms_) continue;
        log::error("gave up waiting: {}. What was acknowledged is safe; the next start recovers",
                   what_);
        ::_exit(static_cast<int>(Exit::kFailed));
    }
}

}  // namespace reelfs::app
