// Range (RFC 9110 section 14) as pure functions of the header and a length.
//
// What is not a valid `bytes` range set is ignored, as the RFC lets a server do; so are more than
// limits::http_ranges_max ranges left after coalescing, since they are nobody's wish but an
// attacker's. Overlapping and touching ranges become one, standing where the first of them stood.
// tests/fuzz/range_fuzz.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace reelfs::http {

/// Bytes first..last, both included, as on the wire.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t length() const { return last - first + 1; }
    bool operator==(const ByteRange&) const = default;
};

struct RangeAnswer {
    enum class Kind {
        kWhole,          // no range, or one that is ignored: 200
        kRanges,         // 206 with these, all below the length
        kUnsatisfiable,  // 416
    };
    Kind kind = Kind::kWhole;
    std::vector<ByteRange> ranges;
    bool operator==(const RangeAnswer&) const = default;
};

/// For a finished file of `length` bytes.
RangeAnswer answer_range(std::string_view header, std::uint64_t length);

/// Beyond this an explicit last position says "as far as it will ever go" (RFC 8673).
inline constexpr std::uint64_t kFollowingFrom = std::uint64_t{1} << 40;

/// For a file that grows and has `written` bytes now:
///
///     none, `bytes=0-`, suffix, several, invalid   200, from 0, following
///     a-b with b written                           206 a-b
///     a-, a-b with b up to 2^40 not yet written    206 a to the present end
///     a-b with b beyond 2^40                       206 echoing a-b, following from a
///     a at or past the present end                 416
struct GrowingRangeAnswer {
    enum class Kind { kFollowWhole, kPart, kFollowFrom, kUnsatisfiable };
    Kind kind = Kind::kFollowWhole;
    ByteRange range;  // of kPart and kFollowFrom, as it stands in Content-Range
    bool operator==(const GrowingRangeAnswer&) const = default;
};
GrowingRangeAnswer answer_growing_range(std::string_view header, std::uint64_t written);

}  // namespace reelfs::http
