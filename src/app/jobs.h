// The one long job a daemon may be doing for somebody: in a thread of its own, so that the control
// socket goes on answering. Whoever asked for it asks again how far it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "app/json.h"
#include "reelfs/base/mutex.h"
#include "reelfs/base/result.h"
#include "reelfs/core/job.h"

namespace reelfs::app {

class Jobs {
  public:
    using Work = std::function<Result<Json>(core::Job&)>;

    Jobs() = default;
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;
    /// Cancels what runs, and waits for it.
    ~Jobs() { stop(); }

    /// Its number. kBusy, naming the job, while one runs.
    Result<std::uint64_t> start(const std::string& name, std::uint64_t bytes_per_second, Work work)
        EXCLUDES(mutex_);
    /// {"job":3,"name":"scrub","running":true,"stage":...,"done_bytes":...,"total_bytes":...,
    /// "findings":...}, and once it has ended "result", or "error" and "message". Null before the
    /// first.
    Json status() const EXCLUDES(mutex_);
    /// kNotFound when nothing runs.
    Result<void> cancel() EXCLUDES(mutex_);
    void stop() EXCLUDES(mutex_);

  private:
    struct Run {
        std::uint64_t number = 0;
        std::string name;
        core::Job job;
        bool running = true;  // this and the next guarded by mutex_
        std::optional<Result<Json>> result;
        Run(std::uint64_t n, std::string s, std::uint64_t rate)
            : number(n), name(std::move(s)), job(rate) {}
    };

    mutable Mutex mutex_;
    std::shared_ptr<Run> last_ GUARDED_BY(mutex_);
    std::thread thread_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::app
