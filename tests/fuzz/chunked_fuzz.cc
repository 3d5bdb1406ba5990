// The chunked coding: the outcome does not depend on how the input is cut, nothing beyond the end
// is consumed, and no data is invented.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/chunked.h"

using namespace reelfs::http;

namespace {
struct Outcome {
    ChunkedDecoder::State state;
    std::string data;
    std::size_t consumed;
    bool operator==(const Outcome&) const = default;
};
Outcome decode(std::string_view input, std::size_t piece) {
    ChunkedDecoder decoder;
    std::string data;
    std::size_t consumed = 0;
    while (decoder.state() == ChunkedDecoder::State::kMore) {
        const auto step = decoder.feed(input.substr(consumed, piece));
        if (step.consumed == 0) break;
        data += step.data;
        consumed += step.consumed;
    }
    return {decoder.state(), data, consumed};
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome whole = decode(bytes, bytes.size() + 1);
    if (!(whole == decode(bytes, 1)) || !(whole == decode(bytes, data[0] + 1u))) std::abort();
    if (whole.consumed > bytes.size() || whole.data.size() > bytes.size()) std::abort();
    return 0;
}
