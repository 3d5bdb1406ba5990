// Writes that were answered 401 because they offered no proof, until the proof comes. Encoders that
// authenticate by HTTP Basic ask first without (ffmpeg does so for every segment): that is how the
// protocol goes, and nothing an operator wants to read about. A challenge nobody answers is an
// encoder without credentials, whose uploads are lost: a refused ingest.
//
// An answer is a later request with the same method and target that offers a proof, good or bad (a
// bad one is noted by itself). Of two encoders on one path, one of them without credentials, each
// answer settles one challenge: the other's stay.
//
// Threads: all functions are thread-safe and never block for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/mutex.h"

namespace reelfs::http {

class Challenges {
  public:
    /// `pending_max`: one more gives up the oldest.
    explicit Challenges(std::size_t pending_max) : pending_max_(pending_max) {}

    /// The method of a challenge that was given up to make room, or "".
    std::string asked(std::string_view method, std::string_view target, std::int64_t now_ns)
        EXCLUDES(mutex_);
    void answered(std::string_view method, std::string_view target) EXCLUDES(mutex_);
    /// Gives up those asked at `until_ns` or before: their methods.
    std::vector<std::string> take_unanswered(std::int64_t until_ns) EXCLUDES(mutex_);

  private:
    struct Pending {
        std::int64_t asked_ns;
        std::size_t request;  // hash of method and target
        std::string method;
    };
    const std::size_t pending_max_;
    mutable Mutex mutex_;
    std::deque<Pending> pending_ GUARDED_BY(mutex_);  // oldest first
};

}  // namespace reelfs::http
