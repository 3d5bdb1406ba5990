// JSON from outside: bounded in depth, no key twice, never an exception.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "reelfs/base/result.h"

namespace reelfs::app {

using Json = nlohmann::json;

inline constexpr int kJsonDepthMax = 32;

/// kInvalid for what is no JSON, is nested deeper than 32, or names a key twice in one object.
Result<Json> parse_json(std::string_view text);

/// One line without a line break; bytes that are no UTF-8 become U+FFFD. `indent` >= 0 for people.
std::string dump_json(const Json& value, int indent = -1);

/// A member of an object, or the fallback when it is absent or of another type.
std::string text_member(const Json& object, const char* key);
std::uint64_t number_member(const Json& object, const char* key, std::uint64_t fallback);
bool flag_member(const Json& object, const char* key);

}  // namespace reelfs::app
