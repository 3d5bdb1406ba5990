// The host label under which a container's data endpoint is reached: random, never reused.
#pragma once

#include <string>
#include <string_view>

#include "reelfs/base/random.h"

namespace reelfs::core {

/// 14 of [a-z0-9], the first a letter.
inline std::string make_endpoint_id(Random& random) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string id;
    for (int i = 0; i < 14; ++i)
        id.push_back(kAlphabet[random.integer<std::uint32_t>() % (i == 0 ? 26 : 36)]);
    return id;
}

}  // namespace reelfs::core
