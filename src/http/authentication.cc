#include "http/authentication.h"

#include <utility>

#include "http/basic.h"
#include "http/credentials.h"
#include "http/sigv4.h"
#include "http/text.h"
#include "reelfs/crypto/secret.h"

namespace reelfs::http {

namespace {

using Refused = Authenticated::Refused;

Authenticated refused(int status, std::string_view type, std::string message) {
    Authenticated answer;
    answer.refused = Refused{status, type, std::move(message)};
    return answer;
}

/// One sentence for a key that is not there, one that is disabled, and a wrong secret.
Authenticated wrong_secret(std::string_view what) {
    return refused(401, "UnrecognizedClientException", std::string(what));
}

Authenticated a_user(std::string name) {
    Authenticated answer;
    answer.principal.name = std::move(name);
    return answer;
}

}  // namespace

bool may_send_secret(const Arrival& arrival) {
    return arrival.secure || arrival.peer_is_loopback;
}

std::unique_ptr<Authenticator> make_authenticator(const core::Accounts& accounts,
                                                  const Clock& clock, std::string region) {
    return std::make_unique<DoorAuthenticator>(accounts, clock, std::move(region));
}

Authenticated DoorAuthenticator::authenticate(const RequestHead& head, const Arrival& arrival) {
    const auto authorization = head.single("authorization");
    if (!authorization && head.has("authorization"))
        return refused(400, "IncompleteSignature", "more than one Authorization");
    if (!authorization || authorization->starts_with("AWS4-HMAC-SHA256") ||
        head.target.find("X-Amz-Signature=") != std::string_view::npos)
        return by_signature(head);
    const auto basic = credentials_of(*authorization, "Basic");
    const auto bearer = credentials_of(*authorization, "Bearer");
    if (!basic && !bearer)
        return refused(400, "IncompleteSignature",
                       "Authorization is none of AWS4-HMAC-SHA256, Basic and Bearer");
    if (!may_send_secret(arrival))
        return refused(403, "AccessDeniedException",
                       "Basic and Bearer are taken over TLS and from this machine only: change "
                       "this secret, it has been sent in the clear");
    return basic ? by_basic(*basic) : by_bearer(*bearer);
}

Authenticated DoorAuthenticator::by_signature(const RequestHead& head) const {
    auto parsed = sigv4::parse(head, region_, clock_.now());
    if (std::holds_alternative<std::monostate>(parsed)) return {};
    if (auto* refusal = std::get_if<Refused>(&parsed))
        return refused(refusal->status, refusal->type, std::move(refusal->message));
    const auto& claim = std::get<sigv4::Claim>(parsed);
    auto holder = accounts_.find_key(claim.access_key_id);
    if (!holder)
        return refused(403, "UnrecognizedClientException", "the access key is unknown or disabled");
    auto verified = sigv4::verify(head, claim, holder->secret.view());
    if (auto* refusal = std::get_if<Refused>(&verified))
        return refused(refusal->status, refusal->type, std::move(refusal->message));
    Authenticated answer = a_user(std::move(holder->user));
    answer.payload = std::move(std::get<PayloadRule>(verified));
    return answer;
}

Authenticated DoorAuthenticator::by_basic(std::string_view text) const {
    auto credentials = parse_basic(text);
    if (!credentials)
        return refused(400, "IncompleteSignature",
                       "Authorization is not Basic base64(ACCESS-KEY-ID:SECRET)");
    auto holder = accounts_.find_key(credentials->user);
    const bool right = holder && crypto::equal_in_constant_time(bytes_of(credentials->password),
                                                                bytes_of(holder->secret.view()));
    crypto::wipe(std::as_writable_bytes(std::span(credentials->password)));
    if (!right)
        return wrong_secret("the access key is unknown or disabled, or the secret is wrong");
    return a_user(std::move(holder->user));
}

Authenticated DoorAuthenticator::by_bearer(std::string_view text) const {
    auto token = accounts_.find_token(text);
    if (!token) return wrong_secret("the token is unknown, was revoked, or has ended");
    Authenticated answer = a_user("token " + token->id);
    answer.principal.grant = std::move(token->grant);
    return answer;
}

}  // namespace reelfs::http
