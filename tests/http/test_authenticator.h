// Who sends a request, for tests: "Authorization: Test NAME", or anything that looks signed; "Body
// TEXT" is a signature that covers the body TEXT.
#pragma once

#include <string>

#include "http/request_gate.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

class TestAuthenticator final : public Authenticator {
  public:
    Authenticated authenticate(const RequestHead& head, const Arrival&) override {
        const auto offered = head.single("authorization");
        if (!offered) return {};
        if (offered->starts_with("Test ")) return somebody(std::string(offered->substr(5)));
        if (offered->starts_with("AWS4-HMAC-SHA256 ")) return somebody("signer");
        if (offered->starts_with("Body ")) {
            Authenticated answer = somebody("signer");
            answer.payload = PayloadRule::exactly(crypto::sha256(bytes_of(offered->substr(5))));
            return answer;
        }
        Authenticated wrong;
        wrong.refused = {403, "AccessDeniedException", "wrong credentials"};
        return wrong;
    }

  private:
    static Authenticated somebody(std::string name) {
        Authenticated answer;
        answer.principal.name = std::move(name);
        return answer;
    }
};

}  // namespace reelfs::http
