// The limits that man/reelfs-http.7 states are those of model/limits.h, and it states all that a
// peer can meet.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "http/server_limits.h"
#include "reelfs/model/limits.h"
#include "support/manual_page.h"

namespace reelfs {
namespace {

#define REELFS_LIMIT(name) \
    { #name, static_cast < std::uint64_t>(limits::name) }
const std::map<std::string, std::uint64_t> kDocumented{
    REELFS_LIMIT(http_target_bytes_max),
    REELFS_LIMIT(http_head_bytes_max),
    REELFS_LIMIT(http_head_ms),
    REELFS_LIMIT(http_idle_ms),
    REELFS_LIMIT(http_stall_ms),
    REELFS_LIMIT(http_stall_bytes_per_second),
    REELFS_LIMIT(http_replaced_ms),
    REELFS_LIMIT(http_connections_max),
    REELFS_LIMIT(http_connections_per_client_max),
    REELFS_LIMIT(http_pool_queue_max),
    REELFS_LIMIT(http_ranges_max),
    REELFS_LIMIT(http_chunk_extension_bytes_max),
    REELFS_LIMIT(http_trailer_bytes_max),
    REELFS_LIMIT(http_body_drain_bytes_max),
    REELFS_LIMIT(http_bytes_in_flight_max),
    REELFS_LIMIT(follow_idle_ms),
    REELFS_LIMIT(http_held_max),
    REELFS_LIMIT(http_playlist_hold_ms_max),
    REELFS_LIMIT(http_object_hold_ms_max),
    REELFS_LIMIT(http_playlist_bytes_max),
    REELFS_LIMIT(http_linger_ms),
    REELFS_LIMIT(http_challenge_ms),
    REELFS_LIMIT(http_clock_skew_seconds_max),
    REELFS_LIMIT(http_presigned_seconds_max),
    REELFS_LIMIT(http_signed_headers_max),
    REELFS_LIMIT(items_page_max),
    REELFS_LIMIT(page_token_seconds),
    REELFS_LIMIT(symlink_hops_max),
    REELFS_LIMIT(name_bytes_max),
    REELFS_LIMIT(mediastore_standard_bytes_max),
    REELFS_LIMIT(mediastore_streaming_bytes_max),
    REELFS_LIMIT(mediastore_upload_ms_max),
    REELFS_LIMIT(mediastore_segments_max),
    REELFS_LIMIT(mediastore_path_bytes_max),
};
#undef REELFS_LIMIT

/// How the work is arranged: nothing a peer is refused for.
const std::set<std::string> kInternal{
    "http_window_bytes",   "http_network_threads",      "http_pool_threads",
    "http_upload_threads", "http_body_read_bytes",      "http_backlog",
    "http_shed_ms",        "http_resumed_window_bytes", "http_fault_report_ms",
    "http_challenges_max",
};

/// Rows ".It NAME Ta VALUE Ta ..." whose name is written like a constant.
std::map<std::string, std::uint64_t> stated_limits() {
    std::map<std::string, std::uint64_t> stated;
    for (const std::string& line : test::page_lines("reelfs-http.7")) {
        if (!line.starts_with(".It ")) continue;
        const std::size_t end = line.find(" Ta ");
        if (end == std::string::npos) continue;
        const std::string name = line.substr(4, end - 4);
        if (name.find('_') == std::string::npos || name.find(' ') != std::string::npos) continue;
        stated[name] = std::stoull(line.substr(end + 4));
    }
    return stated;
}

TEST(HttpManual, StatesTheLimitsAsTheyAre) {
    EXPECT_EQ(stated_limits(), kDocumented);
}

TEST(HttpManual, LeavesOutNoLimitOfTheDoor) {
    const char* root = std::getenv("REELFS_SOURCE");
    ASSERT_NE(root, nullptr) << "run by ctest, or set REELFS_SOURCE to the source tree";
    std::ifstream file(std::string(root) + "/include/reelfs/model/limits.h");
    ASSERT_TRUE(file.is_open());
    int seen = 0;
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("inline constexpr ")) continue;
        const std::string before = line.substr(0, line.find(" ="));
        const std::string name = before.substr(before.rfind(' ') + 1);
        if (!name.starts_with("http_") && !name.starts_with("mediastore_")) continue;
        ++seen;
        EXPECT_TRUE(kDocumented.count(name) + kInternal.count(name) == 1)
            << name << " stands neither in reelfs-http(7) nor among the internal ones";
    }
    EXPECT_GT(seen, 20);
}

}  // namespace
}  // namespace reelfs
