// Which objects a rule of a container's document means: by a prefix of their path, or by a wildcard
// over all of it. Paths have no leading slash and no container's name (MediaStore's grammar).
//
// Pure: no state, any thread. Matching takes time proportional to path times pattern at worst,
// whatever the pattern.
#pragma once

#include <string>
#include <string_view>

#include "reelfs/model/names.h"

namespace reelfs::policy {

struct PathPattern {
    enum class Kind {
        kPrefix,    // the path begins with it; "" is every path
        kWildcard,  // the whole path; `*` is any run of characters, slashes too
    };
    Kind kind = Kind::kPrefix;
    std::string text;

    bool matches(std::string_view path) const;
    bool operator==(const PathPattern&) const = default;
};

/// The names of a path with slashes between: what patterns are compared with.
std::string joined_path(const Components& path);

}  // namespace reelfs::policy
