// What a request's signature says about its body. The head alone proves who asks; when the
// signature covers the body too, nothing of the body may become visible before its hash has been
// looked at here: 403 InvalidSignatureException, and the object is discarded, when it does not fit.
//
//     PayloadRule rule = ...;               // from Authenticated
//     if (rule.needs_digest()) hash.update(piece) for each piece; a STREAMING upload of this kind
//                                           // is treated as STANDARD
//     if (!rule.accepts(hash.finish())) ... // before publishing
//
// A value; any thread.
#pragma once

#include <functional>
#include <utility>

#include "reelfs/crypto/sha256.h"

namespace reelfs::http {

class PayloadRule {
  public:
    /// Any body: anonymous, Basic, Bearer, UNSIGNED-PAYLOAD.
    PayloadRule() = default;

    /// The signature covers this hash of the body.
    static PayloadRule exactly(const crypto::Digest& expected);
    /// The signature covers a hash that the request does not state: it can be verified only once
    /// the body is known. `fits` must not block; it outlives the request's head.
    static PayloadRule when(std::function<bool(const crypto::Digest&)> fits);

    bool needs_digest() const { return fits_ != nullptr; }
    bool accepts(const crypto::Digest& body) const { return !fits_ || fits_(body); }

  private:
    std::function<bool(const crypto::Digest&)> fits_;
};

inline PayloadRule PayloadRule::exactly(const crypto::Digest& expected) {
    return when([expected](const crypto::Digest& body) { return body == expected; });
}

inline PayloadRule PayloadRule::when(std::function<bool(const crypto::Digest&)> fits) {
    PayloadRule rule;
    rule.fits_ = std::move(fits);
    return rule;
}

}  // namespace reelfs::http
