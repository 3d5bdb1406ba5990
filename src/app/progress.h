// What a person sees of long work: on a terminal one line that is drawn again and again, with a
// bar, the rate and the time left; elsewhere a plain line now and then. On stderr, so that results
// on stdout stay clean.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <string>

#include "reelfs/base/result.h"
#include "reelfs/core/job.h"

namespace reelfs::app {

class Progress {
  public:
    enum class Style { kTerminal, kLines, kNone };
    /// As stderr is a terminal or not; kNone when `quiet`.
    static Style style_of_stderr(bool quiet);

    explicit Progress(Style style, std::FILE* out = stderr) : style_(style), out_(out) {}
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    /// Shows the state as of `now_ns`; call it a few times a second.
    void show(const core::Job::State& state, std::int64_t now_ns);
    /// Takes the line away, so that something else can be printed.
    void clear();

  private:
    struct Sample {
        std::int64_t at_ns = 0;
        std::uint64_t done_bytes = 0;
    };
    double rate(const core::Job::State& state, std::int64_t now_ns);

    const Style style_;
    std::FILE* const out_;
    std::string stage_;
    std::deque<Sample> samples_;  // of the last seconds
    std::int64_t said_ns_ = 0;    // when the last plain line came
    bool drawn_ = false;
};

/// "verifying content [#####     ] 50% 1.0 GiB of 2.0 GiB, 100.0 MiB/s, 10 s left". Pure.
/// `bar_cells` 0: without a bar.
std::string format_progress(const core::Job::State& state, double bytes_per_second, int bar_cells);
/// "7 s", "2 min", "3 h 20 min"
std::string format_duration(double seconds);

/// Does `work` in a thread of its own while this one shows the job. SIGINT and SIGTERM cancel the
/// job; the signals stay blocked in this process afterwards.
Result<void> run_shown(core::Job& job, bool quiet, const std::function<Result<void>()>& work);

}  // namespace reelfs::app
