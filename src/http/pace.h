// Whether a peer takes its response too slowly: in `period_ns` of waiting for its socket it
// acknowledged fewer than `bytes`. Time spent on other things (the disk, a file that grows) does
// not count against it. Bytes acknowledged, not bytes handed to the kernel: the kernel takes a slow
// peer's bytes in large lumps. Pure; one per response.
#pragma once

#include <cstdint>

namespace reelfs::http {

class Pace {
  public:
    /// `acknowledged`: where the count stands as the response begins.
    Pace(std::int64_t period_ns, std::uint64_t bytes, std::uint64_t acknowledged)
        : period_ns_(period_ns), bytes_(bytes), period_acknowledged_(acknowledged) {}

    void wait_begins(std::int64_t now_ns) { waiting_since_ = now_ns; }
    void wait_ends(std::int64_t now_ns) { waited_ns_ += now_ns - waiting_since_; }

    /// During a wait: whether to give up. `acknowledged` never falls.
    bool is_stalled(std::int64_t now_ns, std::uint64_t acknowledged) {
        if (acknowledged - period_acknowledged_ >= bytes_) {
            period_acknowledged_ = acknowledged;
            waited_ns_ = 0;
            waiting_since_ = now_ns;
            return false;
        }
        return waited_ns_ + (now_ns - waiting_since_) >= period_ns_;
    }

  private:
    std::int64_t period_ns_;
    std::uint64_t bytes_;
    std::int64_t waited_ns_ = 0;  // in this period, without the wait at hand
    std::int64_t waiting_since_ = 0;
    std::uint64_t period_acknowledged_;
};

}  // namespace reelfs::http
