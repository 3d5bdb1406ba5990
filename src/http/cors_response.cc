#include "http/cors_response.h"

#include "http/text.h"

namespace reelfs::http {

namespace {

constexpr std::string_view kPreflightVary =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

std::vector<std::string_view> requested_headers(const RequestHead& head) {
    std::vector<std::string_view> names;
    for (const RequestHead::Field& field : head.fields) {
        if (!equal_ignoring_case(field.name, "access-control-request-headers")) continue;
        std::string_view rest = field.value;
        while (!rest.empty())
            if (const std::string_view name = next_element(rest); !name.empty())
                names.push_back(name);
    }
    return names;
}

/// Of every answer to a page that a rule lets in.
void add_grant(Response& response, const CorsGrant& grant) {
    response.add("Access-Control-Allow-Origin", grant.origin);
    if (!grant.any_origin()) response.add("Access-Control-Allow-Credentials", "true");
    if (!grant.exposed.empty()) response.add("Access-Control-Expose-Headers", grant.exposed);
}

/// /~reelfs: what is there anybody may read.
Response answer_own_preflight() {
    Response response;
    add_cors_for_all(response);
    response.add("Access-Control-Allow-Methods", "GET, HEAD");
    response.add("Access-Control-Allow-Headers", "*");
    return response;
}

Response answer_preflight(const core::Tree& tree, const Route& route, const CorsRequest& asked) {
    const CorsDecision decision = tree.decide_cors(route.container, asked);
    if (!decision.grant) {
        Response refused = error_response(403, "no CORS rule lets this page make this request");
        refused.add("Vary", kPreflightVary);
        return refused;
    }
    Response response;
    add_grant(response, *decision.grant);
    response.add("Access-Control-Allow-Methods", decision.grant->methods);
    if (!decision.grant->headers.empty())
        response.add("Access-Control-Allow-Headers", decision.grant->headers);
    if (decision.grant->max_age_seconds)
        response.add("Access-Control-Max-Age", std::uint64_t{*decision.grant->max_age_seconds});
    response.add("Vary", kPreflightVary);
    return response;
}

}  // namespace

Response answer_options(const core::Tree& tree, const RequestHead& head, const Route& route) {
    const auto origin = head.single("origin");
    const auto method = head.single("access-control-request-method");
    if (!origin || !method)
        return error_response(400,
                              "OPTIONS is for CORS preflights, which have one Origin and one "
                              "Access-Control-Request-Method");
    switch (route.resource) {
        case Resource::kHealth:
        case Resource::kTime:
            return answer_own_preflight();
        case Resource::kNoEndpoint:
            return error_response(container_not_found(route.container));
        case Resource::kUnknown:
        case Resource::kRoot:
        case Resource::kContainer:
        case Resource::kObject:
            break;
    }
    return answer_preflight(tree, route, {*origin, *method, requested_headers(head)});
}

void add_cors(const core::Tree& tree, const RequestHead& head, std::string_view container,
              Response& response) {
    const auto origin = head.single("origin");
    const CorsDecision decision =
        tree.decide_cors(container, {origin.value_or(""), head.method, {}});
    if (!decision.has_rules) return;
    if (decision.grant) add_grant(response, *decision.grant);
    if (!decision.grant || !decision.grant->any_origin()) response.add("Vary", "Origin");
}

void add_cors_for_all(Response& response) {
    response.add("Access-Control-Allow-Origin", "*");
}

}  // namespace reelfs::http
