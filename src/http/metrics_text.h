// /metrics: what Metrics and the tree count, in Prometheus' text format 0.0.4. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/peer_faults.h"
#include "reelfs/base/metrics.h"
#include "reelfs/core/tree.h"

namespace reelfs::http {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// Requests, failures, bytes and a latency histogram by door and operation.
std::string render_operations(const std::vector<Metrics::Named>& operations);
std::string render_faults(const PeerFaults& faults);
std::string render_gauges(const std::vector<core::Tree::Gauge>& gauges);

}  // namespace reelfs::http
