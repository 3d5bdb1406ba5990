// Authorization: Basic, taken apart (RFC 7617). Pure; tests/fuzz/authorization_fuzz.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace reelfs::http {

/// RFC 4648 section 4; padding may be left out. Nothing for anything else.
std::optional<std::string> base64_decoded(std::string_view text);

struct BasicCredentials {
    std::string user;
    std::string password;
};
/// `text`: what follows "Basic ". Nothing without a colon.
std::optional<BasicCredentials> parse_basic(std::string_view text);

}  // namespace reelfs::http
