// Says, every two seconds, what a stop is waiting for, and ends the process when a step that other
// processes can hold up takes longer than it may.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "reelfs/base/mutex.h"

namespace reelfs::app {

class StopWatch {
  public:
    StopWatch();
    ~StopWatch();

    /// The step that begins now. `bound_ms` > 0: after it `overdue` is written to the log and the
    /// process ends with status 1; everything acknowledged is safe, as after kill -9. 0: no bound.
    void waiting_for(std::string what, std::int64_t bound_ms);

  private:
    void run() noexcept;

    std::thread thread_;
    Mutex mutex_;
    CondVar changed_;
    std::string what_ GUARDED_BY(mutex_);
    std::int64_t bound_ms_ GUARDED_BY(mutex_) = 0;
    std::uint64_t step_ GUARDED_BY(mutex_) = 0;
    bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::app
