// The two dialects of the data plane. MediaStore's own clients sign by header; what they get is
// what that service gave them: bare ETags, no conditions, one range. Everybody else, presigned URLs
// included, gets RFC 9110. A delivery rule may fix the form of the ETag for all (model/delivery.h).
// Pure.
#pragma once

#include "http/request_gate.h"

namespace reelfs::http {

enum class Dialect { kRfc9110, kMediaStore };

inline Dialect dialect_of(const RequestHead& head) {
    const auto authorization = head.single("authorization");
    return authorization && authorization->starts_with("AWS4-HMAC-SHA256") ? Dialect::kMediaStore
                                                                           : Dialect::kRfc9110;
}

}  // namespace reelfs::http
