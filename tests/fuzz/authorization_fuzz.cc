// Authorization, in whatever scheme, and signatures by header: no input makes the authenticator do
// anything but refuse, or take the request as nobody's. Who holds no key is never somebody.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/authentication.h"
#include "http/basic.h"
#include "http/sigv4.h"
#include "http/sigv4_canonical.h"

using namespace reelfs;
using namespace reelfs::http;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto basic = parse_basic(bytes))
        require(basic->user.find(':') == std::string::npos &&
                basic->user.size() + basic->password.size() < bytes.size());

    const std::string text =
        "PUT /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX-Amz-Date: 20261122T211412Z\r\n"
        "Authorization: " +
        std::string(bytes) + "\r\n\r\n";
    RequestHead head;
    if (check_head(text, head)) return 0;
    constexpr Timestamp kNow{1'795'382'053'000'000'000};
    const auto parsed = sigv4::parse(head, "us-west-2", kNow);
    if (const auto* refused = std::get_if<sigv4::Refused>(&parsed))
        require(refused->status == 400 || refused->status == 403);
    const auto* claim = std::get_if<sigv4::Claim>(&parsed);
    if (claim == nullptr) return 0;
    require(!claim->presigned && !claim->access_key_id.empty());
    require(claim->scope == "20261122/us-west-2/mediastore/aws4_request");
    const auto verified = sigv4::verify(head, *claim, "a secret that nobody guesses");
    // A body follows, whose hash may have been signed: that is not the case either.
    if (const auto* rule = std::get_if<PayloadRule>(&verified))
        require(rule->needs_digest() && !rule->accepts(crypto::sha256(bytes_of("abc"))));
    return 0;
}
