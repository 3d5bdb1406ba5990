// Delivery rules of a container: which headers its objects are sent with, and which requests wait
// for what is not there yet.
//
//     {"rules": [{"path": {"wildcard": "*.m3u8"},       or {"prefix": "live/"}
//                 "cache_control": "max-age=1",         of objects that have none stored
//                 "not_found_cache_control": "max-age=1",
//                 "content_type": "application/vnd.apple.mpegurl",
//                 "hold_ms": 3000,                      1 to 30000
//                 "etag": "quoted"}]}                   or "bare", for every client
//
// A rule sets at least one of the five. Each of them is decided alone, by the first rule that
// matches the path and sets it.
//
// Pure functions: no state, any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "reelfs/base/result.h"
#include "reelfs/model/delivery.h"
#include "reelfs/policy/path_pattern.h"

namespace reelfs::policy {

struct DeliveryRule {
    PathPattern path;
    Delivery sets;  // "", 0 and kByDialect: left to other rules
};
using DeliveryRules = std::vector<DeliveryRule>;

/// kInvalid naming the rule and the member that is wrong.
Result<DeliveryRules> parse_delivery(std::string_view json);

/// `path` without the container's name.
Delivery decide_delivery(const DeliveryRules& rules, std::string_view path);

}  // namespace reelfs::policy
