// The target: what comes out are names that can stand in a directory, and encoding them again gives
// the same names back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/client.h"
#include "http/conditions.h"
#include "http/host.h"
#include "http/http_date.h"
#include "http/mime.h"
#include "http/target.h"

using namespace reelfs::http;

namespace {
void require(bool condition) {
    if (!condition) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto target = parse_target(bytes); target.ok()) {
        std::string encoded;
        for (const std::string& name : target->segments) {
            require(reelfs::check_component(name).ok());
            encoded += '/';
            for (char c : name) {
                constexpr char kHex[] = "0123456789ABCDEF";
                const auto byte = static_cast<unsigned char>(c);
                encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
            }
            require(is_safe_field_value(mime_type_of(name)));
        }
        const auto again = parse_target(encoded);
        require(again.ok() && again->segments == target->segments);
    }
    // The other small grammars of a head, on the same bytes.
    if (const auto date = parse_http_date(bytes, 1'795'000'000))
        require(parse_http_date(format_http_date(*date), 1'795'000'000) == *date);
    host_is_local(bytes);
    if (const auto label = endpoint_label(bytes, "media.example"))
        require(!label->empty() && label->size() < bytes.size());
    RequestHead head;
    // A proxy that is trusted passes on what clients wrote.
    const std::vector<AddressRange> proxies{*AddressRange::parse("10.0.0.0/8")};
    for (const char* name : {"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"}) {
        head.fields.assign(1, {name, bytes});
        const Client client = client_of(head, *IpAddress::parse("10.0.0.1"), true, proxies);
        require(client.proxied);
        if (client.address) require(IpAddress::parse(client.address->text()) == client.address);
    }
    if (const auto range = AddressRange::parse(bytes)) require(range->contains(range->network));
    for (const char* name : {"If-Match", "If-None-Match", "If-Range", "If-Modified-Since"}) {
        head.fields.assign(1, {name, bytes});
        evaluate_conditions(head, {"abc", 0}, 1);
        range_applies(head, {"abc", 0}, 1);
    }
    return 0;
}
