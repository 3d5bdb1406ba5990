// Time comes in as an argument, so that a test can stop it.
#pragma once

#include <compare>
#include <cstdint>

namespace reelfs {

inline constexpr std::int64_t kNsPerMs = 1'000'000;

/// Nanoseconds since 1970-01-01 UTC; may be negative (files may carry any date).
struct Timestamp {
    std::int64_t ns = 0;
    static constexpr Timestamp from_seconds(std::int64_t seconds) {
        return {seconds * 1'000'000'000};
    }
    /// Seconds rounded down, so that negative times have a nanosecond part of 0 to 999,999,999.
    constexpr std::int64_t seconds() const {
        return ns / 1'000'000'000 - (ns % 1'000'000'000 < 0 ? 1 : 0);
    }
    constexpr std::int64_t nanosecond_part() const { return ns - seconds() * 1'000'000'000; }
    auto operator<=>(const Timestamp&) const = default;
};

class Clock {
  public:
    virtual ~Clock() = default;
    /// Wall-clock time, for what users see.
    virtual Timestamp now() const = 0;
    /// Nanoseconds that never go back, for durations.
    virtual std::int64_t monotonic_ns() const = 0;
};

/// The machine's clocks. Thread-safe.
class SystemClock final : public Clock {
  public:
    Timestamp now() const override;
    std::int64_t monotonic_ns() const override;
};

}  // namespace reelfs
