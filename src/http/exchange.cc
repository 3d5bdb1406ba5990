#include "http/exchange.h"

#include <fmt/format.h>

#include "http/target.h"

namespace reelfs::http {

namespace {

std::string_view operation_of(std::string_view method, std::string_view query, Resource resource) {
    if (resource == Resource::kContainer) return method == "GET" ? "ListItems" : "";
    if (resource != Resource::kObject) return "";
    if (method == "GET") return "GetObject";
    if (method == "HEAD") return "DescribeObject";
    if (method == "DELETE") return "DeleteObject";
    if (method == "PUT" || (method == "POST" && query.empty())) return "PutObject";
    return "";
}

/// An ARN in IAM's form: users by name, tokens by their id.
std::string requester_of(const Principal& principal, std::string_view account) {
    if (principal.is_anonymous()) return "anonymous";
    constexpr std::string_view kToken = "token ";
    if (principal.name.starts_with(kToken))
        return fmt::format("arn:aws:iam::{}:token/{}", account,
                           principal.name.substr(kToken.size()));
    return fmt::format("arn:aws:iam::{}:user/{}", account, principal.name);
}

}  // namespace

void Exchange::note(std::string_view method, std::string_view query, const Route& route) {
    operation = operation_of(method, query, route.resource);
    if (!route.path.empty()) path = path_text(route.path);
}

AccessRecord record_of(const Exchange& exchange, const Authenticated& who, const Response& response,
                       const Ending& ending, std::string_view account) {
    AccessRecord record{.account = account,
                        .container = exchange.container,
                        .operation = exchange.operation,
                        .path = exchange.path,
                        .request_id = exchange.request_id,
                        .requester = {},
                        .source = {},
                        .status = response.status,
                        .error = response.error,
                        .expires = exchange.expires,
                        .received = exchange.received,
                        .bytes_received = exchange.bytes_received,
                        .bytes_sent = ending.bytes_sent,
                        .total_ns = ending.ns - exchange.received_ns,
                        .turnaround_ns = exchange.answered_ns - exchange.complete_ns};
    if (!who.refused) record.requester = requester_of(who.principal, account);
    if (exchange.client.address) record.source = exchange.client.address->text();
    if (ending.cut && record.error.empty())
        record.error = ending.ours ? "InternalServerError" : "ClientDisconnected";
    return record;
}

}  // namespace reelfs::http
