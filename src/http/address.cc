#include "reelfs/http/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "http/text.h"

namespace reelfs::http {

namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

}  // namespace

IpAddress IpAddress::of_v4(const std::array<std::uint8_t, 4>& bytes) {
    std::array<std::uint8_t, 16> mapped{};
    std::copy(kMapped.begin(), kMapped.end(), mapped.begin());
    std::copy(bytes.begin(), bytes.end(), mapped.begin() + kMapped.size());
    return IpAddress(mapped);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() > INET6_ADDRSTRLEN) return std::nullopt;
    const std::string terminated(text);
    if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;
    std::array<std::uint8_t, 4> v4{};
    if (::inet_pton(AF_INET, terminated.c_str(), v4.data()) == 1) return of_v4(v4);
    std::array<std::uint8_t, 16> v6{};
    if (::inet_pton(AF_INET6, terminated.c_str(), v6.data()) == 1) return of_v6(v6);
    return std::nullopt;
}

bool IpAddress::is_v4() const {
    return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return bytes_[kMapped.size()] == 127;
    IpAddress one;
    one.bytes_[15] = 1;
    return *this == one;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (is_v4())
        ::inet_ntop(AF_INET, bytes_.data() + kMapped.size(), buffer.data(), buffer.size());
    else
        ::inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size());
    return buffer.data();
}

IpAddress IpAddress::network(unsigned bits) const {
    IpAddress cut = *this;
    for (unsigned i = 0; i < cut.bytes_.size(); ++i) {
        const unsigned kept = std::min(8u, bits - std::min(bits, 8 * i));
        cut.bytes_[i] = static_cast<std::uint8_t>(cut.bytes_[i] & (0xff00u >> kept));
    }
    return cut;
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return AddressRange{*address, 128};
    // Digits of IPv4's prefix count from its own first bit.
    const auto bits = parse_decimal(text.substr(slash + 1));
    const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    if (!bits || *bits > (v4 ? 32u : 128u)) return std::nullopt;
    const unsigned of_128 = static_cast<unsigned>(*bits) + (v4 ? kMappedBits : 0);
    // 10.0.0.1/8 is a mistake: which of the two was meant is not for us to guess.
    if (address->network(of_128) != *address) return std::nullopt;
    return AddressRange{*address, of_128};
}

Result<std::vector<AddressRange>> parse_address_ranges(std::string_view list) {
    std::vector<AddressRange> ranges;
    while (!list.empty()) {
        const std::string_view text = next_element(list);
        const auto range = AddressRange::parse(text);
        if (!range)
            return Error(Errc::kInvalid,
                         "\"" + std::string(text) +
                             "\" is no address and no network; write 10.0.0.1, 10.0.0.0/8 or "
                             "2001:db8::/32, separated by commas");
        ranges.push_back(*range);
    }
    return ranges;
}

bool is_in(const std::vector<AddressRange>& ranges, const IpAddress& address) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace reelfs::http
