// Long work (a check, a scrub, a backup) as seen from outside: how far it is, what it found, and a
// way to stop it. One thread works; any thread may watch or cancel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/base/result.h"

namespace reelfs::core {

class Job {
  public:
    struct State {
        std::string stage;              // "checking content"
        std::uint64_t done_bytes = 0;   // of this stage
        std::uint64_t total_bytes = 0;  // an estimate where work goes on meanwhile; 0: not known
        std::uint64_t findings = 0;
    };

    /// `bytes_per_second` 0: as fast as it goes.
    explicit Job(std::uint64_t bytes_per_second = 0) : rate_(bytes_per_second) {}
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    // For the one who works
    void begin(std::string stage, std::uint64_t total_bytes, std::uint64_t done_bytes = 0)
        EXCLUDES(mutex_);
    /// Counts `bytes`, and waits as long as the rate says. kCancelled once cancelled.
    Result<void> advance(std::uint64_t bytes) EXCLUDES(mutex_);
    Result<void> check_cancelled() EXCLUDES(mutex_);
    void found() EXCLUDES(mutex_);

    // For the one who watches
    void cancel() EXCLUDES(mutex_);
    State state() const EXCLUDES(mutex_);

  private:
    const std::uint64_t rate_;
    mutable Mutex mutex_;
    CondVar changed_;
    State state_ GUARDED_BY(mutex_);
    bool cancelled_ GUARDED_BY(mutex_) = false;
    std::int64_t next_ns_ GUARDED_BY(mutex_) = 0;  // when the rate lets more through
};

}  // namespace reelfs::core
