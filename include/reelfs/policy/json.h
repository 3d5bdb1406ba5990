// JSON from outside: bounded in depth, no key twice, never an exception.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "reelfs/base/result.h"

namespace reelfs::policy {

using Json = nlohmann::json;

inline constexpr int kJsonDepthMax = 32;

/// kInvalid for what is no JSON, is nested deeper than 32, or names a key twice in one object.
Result<Json> parse_json(std::string_view text);

}  // namespace reelfs::policy
