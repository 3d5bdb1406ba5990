// Range: whatever the header says, the ranges lie inside the length, do not overlap, and are few.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "http/range.h"
#include "reelfs/model/limits.h"

using namespace reelfs::http;

namespace {
void require(bool condition) {
    if (!condition) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::uint64_t length = 0;
    const std::size_t prefix = size < sizeof length ? size : sizeof length;
    if (prefix > 0) std::memcpy(&length, data, prefix);
    const std::string_view header(reinterpret_cast<const char*>(data) + prefix, size - prefix);

    const RangeAnswer answer = answer_range(header, length);
    require((answer.kind == RangeAnswer::Kind::kRanges) == !answer.ranges.empty());
    require(answer.ranges.size() <= reelfs::limits::http_ranges_max);
    for (std::size_t i = 0; i < answer.ranges.size(); ++i) {
        const ByteRange& range = answer.ranges[i];
        require(range.first <= range.last && range.last < length);
        for (std::size_t j = 0; j < i; ++j)
            require(range.last < answer.ranges[j].first || answer.ranges[j].last < range.first);
    }
    const GrowingRangeAnswer growing = answer_growing_range(header, length);
    if (growing.kind == GrowingRangeAnswer::Kind::kPart)
        require(growing.range.first <= growing.range.last && growing.range.last < length);
    if (growing.kind == GrowingRangeAnswer::Kind::kFollowFrom)
        require(growing.range.first < length && growing.range.last > kFollowingFrom);
    return 0;
}
