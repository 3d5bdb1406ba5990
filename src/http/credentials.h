// The Authorization field of a request, taken apart. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "http/text.h"

namespace reelfs::http {

/// What follows `scheme` and a blank; nothing when it is another scheme.
inline std::optional<std::string_view> credentials_of(std::string_view authorization,
                                                      std::string_view scheme) {
    if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ' ||
        !equal_ignoring_case(authorization.substr(0, scheme.size()), scheme))
        return std::nullopt;
    return trimmed(authorization.substr(scheme.size()));
}

}  // namespace reelfs::http
