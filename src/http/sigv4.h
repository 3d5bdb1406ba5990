// AWS Signature Version 4, the server's side: by Authorization header and by presigned query.
//
// parse() takes the claim apart and checks all that needs no secret: grammar, scope, time. verify()
// computes the signature over the head as the gate parsed it and says what it means for the body.
// Between the two the caller looks up the secret of claim.access_key_id.
//
// What the head does not say is the hash of the body (only the SDKs' PutObject and the newer SDKs
// send x-amz-content-sha256), so each form has its candidates:
//
//     header, with x-amz-content-sha256     that value
//     header, without it                    the empty body; else, where a body follows, its hash
//     presigned                             the field's value if sent; UNSIGNED-PAYLOAD; the empty
//                                           body, whatever follows (boto3 signs that for PUT, too);
//                                           else, where a body follows, its hash
//
// Pure; equal signatures are no replay (clients retry within a second); tests/fuzz/sigv4_fuzz.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/request_gate.h"
#include "reelfs/base/bytes.h"
#include "reelfs/base/clock.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http::sigv4 {

using Refused = Authenticated::Refused;

/// What a request says about its signature, checked but for the signature itself.
struct Claim {
    bool presigned = false;
    std::string access_key_id;
    std::string time;                         // "20130524T000000Z"
    std::string scope;                        // "20130524/us-west-2/mediastore/aws4_request"
    std::vector<std::string> signed_headers;  // lower case
    crypto::Digest signature{};
};

/// monostate: the request is not signed.
std::variant<std::monostate, Claim, Refused> parse(const RequestHead& head, std::string_view region,
                                                   Timestamp now);

/// The rule for the body, or why the signature does not hold.
std::variant<PayloadRule, Refused> verify(const RequestHead& head, const Claim& claim,
                                          std::string_view secret);

/// HMAC chain over date, region, service and "aws4_request" as they stand in `scope`.
crypto::Digest signing_key(std::string_view secret, std::string_view scope);

/// "20130524T000000Z" as seconds since 1970.
std::optional<std::int64_t> parse_amz_time(std::string_view text);

}  // namespace reelfs::http::sigv4
