// What peers do wrong or drop half way, counted by kind. A hostile or broken peer can do it
// thousands of times a second, so that the log gets one line about all of them now and then, and
// /metrics the numbers.
//
// Threads: note() from any, without a lock; take_report() from one at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reelfs::http {

enum class PeerFault {
    kTurnedAway,  // a connection beyond a limit, or a request of a proxy's client
    kBadHead,     // refused by the request gate
    kSlowHead,
    kBadBody,  // its chunks are malformed or too long
    kSlowBody,
    kCutUpload,  // the peer left before its body's end
    kSlowReader,
};
inline constexpr std::size_t kPeerFaults = 7;

class PeerFaults {
  public:
    struct Kind {
        std::string_view label;  // in /metrics
        std::string_view words;  // in the log, after a number
    };
    static const Kind& kind(PeerFault fault);

    void note(PeerFault fault) {
        counts_[static_cast<std::size_t>(fault)].fetch_add(1, std::memory_order_relaxed);
    }
    std::uint64_t count(PeerFault fault) const {
        return counts_[static_cast<std::size_t>(fault)].load(std::memory_order_relaxed);
    }
    /// What has come since the last report, in words: "" when nothing has, or when the last one was
    /// less than `pause_ms` ago.
    std::string take_report(std::int64_t now_ns, std::int64_t pause_ms);

  private:
    std::array<std::atomic<std::uint64_t>, kPeerFaults> counts_{};
    std::array<std::uint64_t, kPeerFaults> reported_{};
    std::int64_t last_report_ns_ = 0;  // 0: none yet
};

}  // namespace reelfs::http
