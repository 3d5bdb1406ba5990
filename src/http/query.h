// The query of a request target: `name=value` pairs, percent-decoded once. `+` is a plus: clients
// of this API send a space as %20. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reelfs/base/result.h"

namespace reelfs::http {

/// The value of the first pair of this name; "" for a name without `=`. kInvalid when its percent
/// encoding is broken.
Result<std::optional<std::string>> query_value(std::string_view query, std::string_view name);

}  // namespace reelfs::http
