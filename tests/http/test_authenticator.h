// Who sends a request, for tests: "Authorization: Test NAME", or anything that looks signed.
#pragma once

#include <string>

#include "http/request_gate.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

class TestAuthenticator final : public Authenticator {
  public:
    Result<Principal> authenticate(const RequestHead& head) override {
        const auto offered = head.single("authorization");
        if (!offered) return Principal{};
        if (offered->starts_with("Test ")) return Principal{std::string(offered->substr(5))};
        if (offered->starts_with("AWS4-HMAC-SHA256 ")) return Principal{"signer"};
        return Error(Errc::kAccessDenied, "wrong credentials");
    }
};

}  // namespace reelfs::http
