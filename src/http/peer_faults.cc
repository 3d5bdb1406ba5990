#include "http/peer_faults.h"

#include <fmt/format.h>

namespace reelfs::http {

namespace {

constexpr std::array<PeerFaults::Kind, kPeerFaults> kKinds{{
    {"turned_away", "connections turned away"},
    {"bad_head", "requests that are no proper HTTP"},
    {"slow_head", "request heads that took too long"},
    {"bad_body", "bodies with malformed chunks"},
    {"slow_body", "bodies that stalled"},
    {"cut_upload", "uploads that broke off"},
    {"slow_reader", "responses cut because the peer took too little"},
}};

}  // namespace

const PeerFaults::Kind& PeerFaults::kind(PeerFault fault) {
    return kKinds[static_cast<std::size_t>(fault)];
}

std::string PeerFaults::take_report(std::int64_t now_ns, std::int64_t pause_ms) {
    if (last_report_ns_ != 0 && now_ns - last_report_ns_ < pause_ms * 1'000'000) return "";
    std::string report;
    for (std::size_t i = 0; i < kPeerFaults; ++i) {
        const std::uint64_t count = counts_[i].load(std::memory_order_relaxed);
        if (count == reported_[i]) continue;
        report += fmt::format("{}{} {}", report.empty() ? "" : ", ", count - reported_[i],
                              kKinds[i].words);
        reported_[i] = count;
    }
    if (!report.empty()) last_report_ns_ = now_ns;
    return report;
}

}  // namespace reelfs::http
