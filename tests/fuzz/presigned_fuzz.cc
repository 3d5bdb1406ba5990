// A request target with a presigned query, and the canonical forms of any target: sorted, encoded,
// without the signature; a form that is canonical stays as it is. Nobody without the secret gets
// in.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

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
    const std::string text = "GET /" + std::string(reinterpret_cast<const char*>(data), size) +
                             " HTTP/1.1\r\nHost: h\r\n\r\n";
    RequestHead head;
    // Bytes may end the request line and begin fields: another target's business.
    if (check_head(text, head) || head.has("authorization")) return 0;
    const auto target = sigv4::split_target(head.target);
    const std::string path = sigv4::collapsed(target.path);
    require(path.starts_with('/') && path.find("//") == std::string::npos);
    require(sigv4::collapsed(path) == path);
    for (const std::string& form : sigv4::canonical_paths(target.path)) require(!form.empty());
    const std::string query = sigv4::canonical_query(target.query);
    require(sigv4::canonical_query(query) == query);
    require(("&" + query).find("&X-Amz-Signature=") == std::string::npos);

    constexpr Timestamp kNow{1'795'382'053'000'000'000};
    const auto parsed = sigv4::parse(head, "us-west-2", kNow);
    const auto* claim = std::get_if<sigv4::Claim>(&parsed);
    if (claim == nullptr) return 0;
    require(claim->presigned && claim->time.size() == 16);
    const auto verified = sigv4::verify(head, *claim, "a secret that nobody guesses");
    require(std::holds_alternative<sigv4::Refused>(verified));
    return 0;
}
