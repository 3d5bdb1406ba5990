#include "http/range.h"

#include <algorithm>

#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

/// Specs a header may hold before it is ignored: bounds the work of coalescing.
constexpr std::size_t kSpecsMax = 256;

/// One range-spec: first-last, first-, or -suffix.
struct RangeSpec {
    std::optional<std::uint64_t> first;
    std::optional<std::uint64_t> last;
};

std::optional<RangeSpec> parse_spec(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    RangeSpec spec{parse_decimal(text.substr(0, dash)), parse_decimal(text.substr(dash + 1))};
    if (!spec.first && (dash != 0 || !spec.last)) return std::nullopt;
    if (!spec.last && dash + 1 != text.size()) return std::nullopt;
    if (spec.first && spec.last && *spec.last < *spec.first) return std::nullopt;
    return spec;
}

/// Empty when the header is to be ignored.
std::vector<RangeSpec> parse_specs(std::string_view header) {
    constexpr std::string_view kUnit = "bytes=";
    if (!equal_ignoring_case(header.substr(0, kUnit.size()), kUnit)) return {};
    header.remove_prefix(kUnit.size());
    std::vector<RangeSpec> specs;
    while (!header.empty()) {
        const std::string_view element = next_element(header);
        if (element.empty()) continue;
        const auto spec = parse_spec(element);
        if (!spec || specs.size() == kSpecsMax) return {};
        specs.push_back(*spec);
    }
    return specs;
}

std::optional<ByteRange> resolve(const RangeSpec& spec, std::uint64_t length) {
    if (length == 0) return std::nullopt;
    if (!spec.first) {
        if (*spec.last == 0) return std::nullopt;
        return ByteRange{length - std::min(*spec.last, length), length - 1};
    }
    if (*spec.first >= length) return std::nullopt;
    return ByteRange{*spec.first, std::min(spec.last.value_or(length - 1), length - 1)};
}

bool touch(const ByteRange& a, const ByteRange& b) {
    return a.first <= b.last + 1 && b.first <= a.last + 1;  // both ends are below a length
}

/// Joins `added` with whatever it touches; the union stands where the first of them stood.
void add_coalesced(std::vector<ByteRange>& ranges, ByteRange added) {
    std::size_t place = ranges.size();
    for (std::size_t i = 0; i < ranges.size();) {
        if (!touch(ranges[i], added)) {
            ++i;
            continue;
        }
        added = {std::min(ranges[i].first, added.first), std::max(ranges[i].last, added.last)};
        place = std::min(place, i);
        ranges.erase(ranges.begin() + static_cast<std::ptrdiff_t>(i));
        i = 0;  // the union may touch an earlier one
    }
    place = std::min(place, ranges.size());
    ranges.insert(ranges.begin() + static_cast<std::ptrdiff_t>(place), added);
}

}  // namespace

RangeAnswer answer_range(std::string_view header, std::uint64_t length) {
    const std::vector<RangeSpec> specs = parse_specs(header);
    if (specs.empty()) return {};
    RangeAnswer answer{RangeAnswer::Kind::kRanges, {}};
    for (const RangeSpec& spec : specs)
        if (auto range = resolve(spec, length)) add_coalesced(answer.ranges, *range);
    if (answer.ranges.empty()) return {RangeAnswer::Kind::kUnsatisfiable, {}};
    if (answer.ranges.size() > limits::http_ranges_max) return {};
    return answer;
}

GrowingRangeAnswer answer_growing_range(std::string_view header, std::uint64_t written) {
    using Kind = GrowingRangeAnswer::Kind;
    const std::vector<RangeSpec> specs = parse_specs(header);
    if (specs.size() != 1 || !specs.front().first) return {};
    const RangeSpec& spec = specs.front();
    const std::uint64_t first = *spec.first;
    if (first == 0 && !spec.last) return {};
    if (first >= written) return {Kind::kUnsatisfiable, {}};
    if (spec.last && *spec.last > kFollowingFrom) return {Kind::kFollowFrom, {first, *spec.last}};
    return {Kind::kPart, {first, std::min(spec.last.value_or(written - 1), written - 1)}};
}

}  // namespace reelfs::http
