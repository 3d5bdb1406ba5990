// IP addresses as values: the peer of a connection, the client a proxy speaks for, ranges of them.
// IPv4 is kept as its IPv4-mapped IPv6 form, so that ::ffff:10.0.0.1 and 10.0.0.1 are one. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs::http {

class IpAddress {
  public:
    IpAddress() = default;  // ::
    static IpAddress of_v4(const std::array<std::uint8_t, 4>& bytes);
    static IpAddress of_v6(const std::array<std::uint8_t, 16>& bytes) { return IpAddress(bytes); }
    /// "10.0.0.1", "2001:db8::1"; nothing else (no port, no brackets, no zone).
    static std::optional<IpAddress> parse(std::string_view text);

    bool is_v4() const;
    bool is_loopback() const;
    const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    std::string text() const;
    /// The first `bits` of it, the rest zero. Of 128, for IPv4 too.
    IpAddress network(unsigned bits) const;
    auto operator<=>(const IpAddress&) const = default;

  private:
    explicit IpAddress(const std::array<std::uint8_t, 16>& bytes) : bytes_(bytes) {}
    std::array<std::uint8_t, 16> bytes_{};
};

/// "10.0.0.0/8", "2001:db8::/32", or one address.
struct AddressRange {
    IpAddress network;
    unsigned bits = 128;  // of network's 128

    static std::optional<AddressRange> parse(std::string_view text);
    bool contains(const IpAddress& address) const { return address.network(bits) == network; }
    bool operator==(const AddressRange&) const = default;
};

/// Separated by commas. kInvalid names the one that is no range.
Result<std::vector<AddressRange>> parse_address_ranges(std::string_view list);
bool is_in(const std::vector<AddressRange>& ranges, const IpAddress& address);

}  // namespace reelfs::http
