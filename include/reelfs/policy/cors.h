// Which web pages of other origins may call a container's objects: AWS MediaStore's CORS policy, a
// list of rules of which the first that matches decides.
//
//     [{"AllowedOrigins": ["https://*.example.com"],    one "*" stands for any run of characters;
//       "AllowedMethods": ["GET", "HEAD"],              of PUT, GET, DELETE, HEAD
//       "AllowedHeaders": ["*"],                        case is ignored, one "*" as above
//       "ExposeHeaders": ["ETag"],                      may be left out
//       "MaxAgeSeconds": 3000}]                         may be left out
//
// An origin is compared as one string: scheme, host and port as the browser sends them.
//
// Pure functions: no state, any thread.
#pragma once

#include <string>
#include <vector>

#include "reelfs/base/result.h"
#include "reelfs/model/cors.h"

namespace reelfs::policy {

struct CorsRule {
    std::vector<std::string> origins;
    std::vector<std::string> methods;
    std::vector<std::string> headers;
    std::string exposed;  // joined, as it is sent
    std::optional<std::uint32_t> max_age_seconds;
};
using CorsRules = std::vector<CorsRule>;

/// kInvalid naming the rule and the member that is wrong.
Result<CorsRules> parse_cors(std::string_view json);

/// What the first matching rule grants. Headers are asked for by a preflight only.
std::optional<CorsGrant> decide_cors(const CorsRules& rules, const CorsRequest& request);

}  // namespace reelfs::policy
