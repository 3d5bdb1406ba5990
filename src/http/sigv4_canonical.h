// The canonical request of AWS Signature Version 4, as MediaStore's clients compute it: the parts
// that depend on the head only.
//
//     method LF path LF query LF (name:value LF)* LF signed-names LF payload-hash
//
// Clients disagree on the path. The SDKs collapse slashes and encode what is on the wire once more
// (`%3D` becomes `%253D`); old JavaScript SDKs do not collapse; curl before 8.3 signs the target as
// it sends it. Each form names the same object, so each is accepted.
//
// Pure functions; tests/fuzz/sigv4_fuzz.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/request_gate.h"

namespace reelfs::http::sigv4 {

/// `target` split at its first "?".
struct RawTarget {
    std::string_view path;
    std::string_view query;
};
RawTarget split_target(std::string_view target);

/// Encodes once more what is on the wire: every byte but A-Z a-z 0-9 - _ . ~ /.
std::string encoded_again(std::string_view path);

/// Without empty and "." segments, ".." resolved; a trailing slash is kept when something remains.
std::string collapsed(std::string_view path);

/// The forms in which a client may have signed the path; the usual one first, no form twice.
std::vector<std::string> canonical_paths(std::string_view path);

/// Raw pairs sorted by name, then value; "=" added where it is missing; X-Amz-Signature left out.
std::string canonical_query(std::string_view query);

/// Exactly `names` (lower case), in that order. Values are trimmed, runs of blanks become one
/// blank, repeated fields are joined by commas.
std::string canonical_headers(const RequestHead& head, const std::vector<std::string>& names);

}  // namespace reelfs::http::sigv4
