#include "reelfs/base/clock.h"

#include <ctime>

namespace reelfs {

namespace {
std::int64_t read_clock(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}
}  // namespace

Timestamp SystemClock::now() const {
    return {read_clock(CLOCK_REALTIME)};
}
std::int64_t SystemClock::monotonic_ns() const {
    return read_clock(CLOCK_MONOTONIC);
}

}  // namespace reelfs
