#include "http/own_resources.h"

#include <fmt/format.h>

#include "http/cors_response.h"
#include "http/credentials.h"
#include "http/host.h"
#include "http/http_date.h"
#include "http/metrics_text.h"
#include "reelfs/base/bytes.h"
#include "reelfs/crypto/secret.h"

namespace reelfs::http {

namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";

Response uncached(Response response) {
    response.add("Cache-Control", "no-store");
    return response;
}

std::string server_gauges(const ServerState& state) {
    auto number = [](std::size_t value) { return static_cast<double>(value); };
    return render_gauges({
        {"reelfs_http_connections", "Connections open, both listeners.",
         number(state.connections.value()), false},
        {"reelfs_http_connections_max", "Connections at which new ones are turned away.",
         number(state.limits.connections_max), false},
        {"reelfs_http_access_log_dropped_total", "Lines of the access log that were dropped.",
         number(state.access_log ? state.access_log->dropped() : 0), true},
        {"reelfs_http_followers", "Responses following a growing file.",
         number(state.followers.load()), false},
        {"reelfs_http_held_requests", "Requests waiting for what they ask for to be there.",
         number(state.held.load()), false},
        {"reelfs_http_body_memory_bytes", "Memory held by bodies on their way out.",
         number(state.budget.in_use()), false},
        {"reelfs_http_unlistable_names_total", "Names ListItems passed over: not UTF-8.",
         number(state.unlistable_names.load()), true},
        {"reelfs_http_pool_waiting", "Requests waiting for a pool thread.",
         number(state.pool.waiting()), false},
        {"reelfs_http_ingest_challenges_total",
         "PUT, POST and DELETE without credentials that were asked for them.",
         number(state.challenged_ingests.load()), true},
        {"reelfs_http_refused_ingests_total",
         "PUT, POST and DELETE refused for their credentials, or that gave none when asked.",
         number(state.refused_ingests.load()), true},
    });
}

}  // namespace

Response answer_health() {
    return uncached(text_response(200, kPlain, "ok\n"));
}

Response answer_time(const Clock& clock) {
    Response response = uncached(text_response(200, kPlain, format_iso_date(clock.now().ns)));
    add_cors_for_all(response);
    return response;
}

Response answer_control() {
    // As AWS JSON 1.1 says it: botocore reads the code from the body only.
    constexpr std::string_view kType = "UnknownOperationException";
    Response response = text_response(
        400, "application/x-amz-json-1.1",
        R"({"__type":"UnknownOperationException","Message":"container operations are not served )"
        R"(over HTTP; use the reelfs command on the server"})");
    response.add("x-amzn-ErrorType", kType);
    response.error = kType;
    return response;
}

std::optional<Response> refuse_admin(const RequestHead& head, std::string_view token) {
    if (token.empty()) {
        if (host_is_local(head.host)) return std::nullopt;
        return error_response(403, "the admin listener answers to a local Host only");
    }
    const auto authorization = head.single("authorization");
    const auto given = authorization ? credentials_of(*authorization, "Bearer") : std::nullopt;
    if (given && crypto::equal_in_constant_time(bytes_of(*given), bytes_of(token)))
        return std::nullopt;
    Response response = error_response(401, "the admin listener asks for its token");
    response.add("WWW-Authenticate", "Bearer realm=\"reelfs admin\"");
    return response;
}

Response answer_admin(AdminResource resource, ServerState& state) {
    switch (resource) {
        case AdminResource::kHealthz:
            return answer_health();
        case AdminResource::kReadyz: {
            const std::string why = state.options.degraded ? state.options.degraded() : "";
            if (why.empty()) return uncached(text_response(200, kPlain, "ready\n"));
            return uncached(text_response(503, kPlain, why + "\n"));
        }
        case AdminResource::kMetrics: {
            std::string text = render_operations(state.metrics.all());
            text += server_gauges(state);
            text += render_faults(state.peer_faults);
            text += render_gauges(state.tree.gauges());
            if (state.options.extra_metrics) text += state.options.extra_metrics();
            return uncached(text_response(200, kMetricsContentType, std::move(text)));
        }
        case AdminResource::kUnknown:
            break;
    }
    return error_response(404, "the admin listener has /healthz, /readyz and /metrics");
}

}  // namespace reelfs::http
