// The gate: what passes has one Host, one framing, and no byte that means something else elsewhere;
// the finder of heads agrees with it, however the bytes arrive.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/request_gate.h"
#include "http/text.h"

using namespace reelfs::http;

namespace {
void require(bool condition) {
    if (!condition) std::abort();
}
int count(const RequestHead& head, std::string_view name) {
    int found = 0;
    for (const auto& field : head.fields) found += equal_ignoring_case(field.name, name) ? 1 : 0;
    return found;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const HeadExtent whole = find_head(bytes, 0);
    const HeadExtent resumed = find_head(bytes, size / 2);
    if (!find_head(bytes.substr(0, size / 2), 0).refusal &&
        find_head(bytes.substr(0, size / 2), 0).length == 0)
        require(resumed.length == whole.length &&
                resumed.refusal.has_value() == whole.refusal.has_value());
    if (whole.length == 0) return 0;

    RequestHead head;
    if (check_head(bytes.substr(0, whole.length), head)) return 0;
    require(count(head, "host") == 1);
    require(count(head, "content-length") + count(head, "transfer-encoding") <= 1);
    require(head.chunked == (count(head, "transfer-encoding") == 1));
    require(!head.chunked || head.minor_version == 1);
    require(head.target.starts_with('/') || head.target == "*");
    for (char c : head.target) require(c > 0x20 && c < 0x7f && c != '#');
    for (const auto& field : head.fields) {
        require(!field.name.empty());
        for (char c : field.name) require(is_token_char(c));
        require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    }
    return 0;
}
