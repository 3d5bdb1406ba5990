// A request that a web page of another origin makes, and what it is granted. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reelfs {

/// Whose memory: the request's head.
struct CorsRequest {
    std::string_view origin;
    std::string_view method;                // a preflight's: the one it asks for
    std::vector<std::string_view> headers;  // a preflight's: the names it asks for
};

/// Values of response headers. Every one may be sent as it is.
struct CorsGrant {
    std::string origin;   // "*", or the request's
    std::string methods;  // "GET, HEAD"
    std::string headers;  // those asked for, "" for none
    std::string exposed;  // "" for none
    std::optional<std::uint32_t> max_age_seconds;
    bool any_origin() const { return origin == "*"; }
    bool operator==(const CorsGrant&) const = default;
};

struct CorsDecision {
    bool has_rules = false;          // the container has any: what it answers depends on Origin
    std::optional<CorsGrant> grant;  // none: no rule lets this page in
};

}  // namespace reelfs
