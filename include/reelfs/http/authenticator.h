// Who sends a request. The door asks once for each request, before anything is looked up and before
// a byte of the body is read; what the principal may do is decided afterwards.
//
// Threads: called by several at once, on network threads: it must not block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "reelfs/base/clock.h"
#include "reelfs/core/accounts.h"
#include "reelfs/http/payload_rule.h"
#include "reelfs/model/principal.h"

namespace reelfs::http {

struct RequestHead;  // http/request_gate.h

/// How the request came.
struct Arrival {
    bool secure = false;            // TLS
    bool peer_is_loopback = false;  // the TCP peer's address
};

struct Authenticated {
    /// The proof is malformed or wrong: answer with this, and do nothing else.
    struct Refused {
        int status = 403;
        std::string_view type;  // x-amzn-ErrorType; static text
        std::string message;
    };

    Principal principal;  // anonymous when no proof was offered, which is no error
    PayloadRule payload;
    std::optional<Refused> refused;
};

class Authenticator {
  public:
    virtual ~Authenticator() = default;
    virtual Authenticated authenticate(const RequestHead& head, const Arrival& arrival) = 0;
};

/// By the users and tokens of a store: http/authentication.h. `accounts` and `clock` outlive it;
/// signatures must be scoped to `region`.
std::unique_ptr<Authenticator> make_authenticator(const core::Accounts& accounts,
                                                  const Clock& clock, std::string region);

}  // namespace reelfs::http
