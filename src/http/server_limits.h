// The bounds of one server, from model/limits.h. A test makes them small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "reelfs/http/server.h"
#include "reelfs/model/limits.h"

// What only this door looks at.
namespace reelfs::limits {
/// A write that offered no proof and was asked for one (401) counts as refused when none follows in
/// this time.
inline constexpr std::int64_t http_challenge_ms = 5'000;
inline constexpr std::size_t http_challenges_max = 4'096;
/// The log tells of peers that misbehave at most this often; the numbers lose nothing.
inline constexpr std::int64_t http_fault_report_ms = 10'000;
}  // namespace reelfs::limits

namespace reelfs::http {

struct ServerLimits {
    unsigned network_threads = limits::http_network_threads;
    unsigned pool_threads = limits::http_pool_threads;
    unsigned upload_threads = limits::http_upload_threads;
    std::size_t pool_queue_max = limits::http_pool_queue_max;
    std::size_t connections_max = limits::http_connections_max;
    std::size_t connections_per_client_max = limits::http_connections_per_client_max;
    std::size_t window_bytes = limits::http_window_bytes;
    std::size_t bytes_in_flight_max = limits::http_bytes_in_flight_max;
    std::int64_t head_ms = limits::http_head_ms;
    std::int64_t idle_ms = limits::http_idle_ms;
    std::int64_t stall_ms = limits::http_stall_ms;
    std::int64_t replaced_ms = limits::http_replaced_ms;
    std::int64_t shed_ms = limits::http_shed_ms;
    std::int64_t linger_ms = limits::http_linger_ms;
    std::int64_t challenge_ms = limits::http_challenge_ms;
    std::int64_t follow_idle_ms = limits::follow_idle_ms;
    std::size_t access_log_queue_bytes_max = limits::access_log_queue_bytes_max;
    std::size_t held_max = limits::http_held_max;
    std::int64_t playlist_hold_ms_max = limits::http_playlist_hold_ms_max;
    std::int64_t tick_ms = 1'000;  // how often deadlines are looked at
};

/// start_server() with other bounds.
Result<std::unique_ptr<Server>> start_limited_server(core::Tree& tree, const Clock& clock,
                                                     Metrics& metrics, const ServerOptions& options,
                                                     const ServerLimits& limits);

}  // namespace reelfs::http
