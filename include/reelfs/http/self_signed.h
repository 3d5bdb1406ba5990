// A certificate that vouches for itself, for trying TLS out and for closed networks: whoever
// connects must be given it, or told to accept it.
#pragma once

#include <string>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs::http {

struct SelfSigned {
    std::string certificate;  // PEM
    std::string key;          // PEM; to be kept where only its owner reads it
};

/// EC P-256, valid for two years from now, for `names`: host names and address literals.
Result<SelfSigned> make_self_signed(const std::vector<std::string>& names);

}  // namespace reelfs::http
