// HTTP-date (RFC 9110 section 5.6.7): whole seconds since 1970 from and to text. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reelfs::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_http_date(std::int64_t seconds);

/// IMF-fixdate, and the two obsolete forms (RFC 850, asctime). Nothing when it is none of them. A
/// two-digit year is within 50 years of `now_seconds`.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_seconds);

/// "2026-11-22T17:45:03.120Z", the form DASH clients take as UTC timing.
std::string format_iso_date(std::int64_t ns);

}  // namespace reelfs::http
