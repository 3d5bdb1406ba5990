// What a name may be. A path in reelfs is a list of checked components, never a string with
// slashes. Container rules: 1 to 255 of [A-Za-z0-9_-] (AWS MediaStore API, CreateContainer).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs {

/// kInvalid with the rule in words when `name` may not name a container.
Result<void> check_container_name(std::string_view name);

/// A file or directory name inside a container: 1 to 255 bytes, any but '/' and NUL, not "." or
/// "..". kNameTooLong or kInvalid.
Result<void> check_component(std::string_view name);

using Components = std::vector<std::string>;

/// Splits "a/b//c" at slashes; empty segments collapse. kInvalid for ".", "..", NUL; kNameTooLong.
Result<Components> split_path(std::string_view path);

}  // namespace reelfs
