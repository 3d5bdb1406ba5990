// A request target becomes names: split at `?`, then at slashes, then each segment percent-decoded
// once. A name may be any byte string an editor made; what could be read as another path (an
// encoded slash, `.`, `..`, NUL) is refused before anything looks at it.
//
// Pure; tests/fuzz/target_fuzz.cc.
#pragma once

#include <string_view>

#include "reelfs/base/result.h"
#include "reelfs/model/names.h"

namespace reelfs::http {

struct Target {
    Components segments;     // decoded; empty ones collapsed
    std::string_view query;  // as received, without "?"; a view into what was parsed
};

/// kInvalid, kNameTooLong: with a sentence for the peer.
Result<Target> parse_target(std::string_view target);

/// One name or value. kInvalid.
Result<std::string> percent_decoded(std::string_view text);

/// The path for a message to a person: "/container/name", as decoded bytes.
std::string path_text(const Components& segments);

}  // namespace reelfs::http
