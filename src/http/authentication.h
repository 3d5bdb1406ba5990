// The door's authenticator: AWS Signature Version 4 by header and by presigned query, HTTP Basic
// with an access key, and Bearer with an ingest token. The last two are for encoders that cannot
// sign; they send the secret itself, so only over TLS or from this machine.
//
// A request that offers nothing is nobody's. One that offers a proof that does not hold is refused,
// never treated as nobody's: who mistypes a secret must learn so, not be told 404.
//
// Threads: stateless but for Accounts, which locks itself; never blocks.
#pragma once

#include <memory>
#include <string>

#include "http/request_gate.h"
#include "reelfs/base/clock.h"
#include "reelfs/core/accounts.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

class DoorAuthenticator final : public Authenticator {
  public:
    /// `accounts` and `clock` outlive it. `region` is what signatures must be scoped to.
    DoorAuthenticator(const core::Accounts& accounts, const Clock& clock, std::string region)
        : accounts_(accounts), clock_(clock), region_(std::move(region)) {}

    Authenticated authenticate(const RequestHead& head, const Arrival& arrival) override;

  private:
    Authenticated by_signature(const RequestHead& head) const;
    Authenticated by_basic(std::string_view credentials) const;
    Authenticated by_bearer(std::string_view token) const;

    const core::Accounts& accounts_;
    const Clock& clock_;
    const std::string region_;
};

/// Whether the request came so that a secret may be sent openly: TLS, or from this machine.
bool may_send_secret(const Arrival& arrival);

}  // namespace reelfs::http
