#include "http/metrics_text.h"

#include <fmt/format.h>

#include <iterator>

namespace reelfs::http {

namespace {

std::string escaped(std::string_view text, bool quotes_too) {
    std::string safe;
    for (char c : text) {
        if (c == '\n') {
            safe += "\\n";
        } else if (c == '\\' || (c == '"' && quotes_too)) {
            safe += '\\';
            safe += c;
        } else {
            safe += c;
        }
    }
    return safe;
}

void add_header(std::string& out, std::string_view name, std::string_view help,
                std::string_view type) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name,
                   escaped(help, false), name, type);
}

std::string labels_of(const Metrics::Named& named) {
    return fmt::format("door=\"{}\",operation=\"{}\"", escaped(named.door, true),
                       escaped(named.operation, true));
}

template <class Value>
void add_family(std::string& out, const std::vector<Metrics::Named>& operations,
                std::string_view name, std::string_view help, Value value) {
    add_header(out, name, help, "counter");
    for (const Metrics::Named& named : operations)
        fmt::format_to(std::back_inserter(out), "{}{{{}}} {}\n", name, labels_of(named),
                       value(*named.meter).load(std::memory_order_relaxed));
}

void add_histogram(std::string& out, const Metrics::Named& named) {
    constexpr std::string_view kName = "reelfs_request_duration_seconds";
    const std::string labels = labels_of(named);
    auto sink = std::back_inserter(out);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < OperationMeter::kBucketsUs.size(); ++i) {
        total += named.meter->buckets[i].load(std::memory_order_relaxed);
        fmt::format_to(sink, "{}_bucket{{{},le=\"{}\"}} {}\n", kName, labels,
                       static_cast<double>(OperationMeter::kBucketsUs[i]) / 1e6, total);
    }
    total += named.meter->buckets.back().load(std::memory_order_relaxed);
    fmt::format_to(sink, "{}_bucket{{{},le=\"+Inf\"}} {}\n", kName, labels, total);
    fmt::format_to(sink, "{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", kName, labels,
                   static_cast<double>(named.meter->ns_total.load(std::memory_order_relaxed)) / 1e9,
                   kName, labels, total);
}

}  // namespace

std::string render_operations(const std::vector<Metrics::Named>& operations) {
    std::string out;
    if (operations.empty()) return out;
    add_family(
        out, operations, "reelfs_requests_total", "Requests by door and operation.",
        [](const OperationMeter& meter) -> auto& { return meter.requests; });
    add_family(
        out, operations, "reelfs_request_failures_total",
        "Requests that failed through a fault of the server.",
        [](const OperationMeter& meter) -> auto& { return meter.failures; });
    add_family(
        out, operations, "reelfs_request_bytes_total", "Bytes of content moved.",
        [](const OperationMeter& meter) -> auto& { return meter.bytes; });
    add_header(out, "reelfs_request_duration_seconds", "Time from request to its end.",
               "histogram");
    for (const Metrics::Named& named : operations) add_histogram(out, named);
    return out;
}

std::string render_faults(const PeerFaults& faults) {
    constexpr std::string_view kName = "reelfs_http_peer_faults_total";
    std::string out;
    add_header(out, kName, "What peers did wrong or broke off, by kind.", "counter");
    for (std::size_t i = 0; i < kPeerFaults; ++i) {
        const auto fault = static_cast<PeerFault>(i);
        fmt::format_to(std::back_inserter(out), "{}{{kind=\"{}\"}} {}\n", kName,
                       PeerFaults::kind(fault).label, faults.count(fault));
    }
    return out;
}

std::string render_gauges(const std::vector<core::Tree::Gauge>& gauges) {
    std::string out;
    for (const core::Tree::Gauge& gauge : gauges) {
        add_header(out, gauge.name, gauge.help, gauge.counter ? "counter" : "gauge");
        fmt::format_to(std::back_inserter(out), "{} {}\n", gauge.name, gauge.value);
    }
    return out;
}

}  // namespace reelfs::http
