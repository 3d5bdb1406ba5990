// JSON as the command line and the daemon write and read it.
#pragma once

#include <string>

#include "reelfs/policy/json.h"

namespace reelfs::app {

using policy::Json;
using policy::parse_json;

/// One line without a line break; bytes that are no UTF-8 become U+FFFD. `indent` >= 0 for people.
std::string dump_json(const Json& value, int indent = -1);

/// A member of an object, or the fallback when it is absent or of another type.
std::string text_member(const Json& object, const char* key);
std::uint64_t number_member(const Json& object, const char* key, std::uint64_t fallback);
bool flag_member(const Json& object, const char* key);

}  // namespace reelfs::app
