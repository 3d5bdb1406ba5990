#include "http/chunked.h"

#include <algorithm>

#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {
constexpr unsigned kSizeDigitsMax = 15;  // below 2^60, the largest file
bool is_line_byte(char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}
}  // namespace

ChunkedDecoder::Step ChunkedDecoder::feed(std::string_view input) {
    Step step;
    while (step.consumed < input.size() && state_ == State::kMore) {
        if (place_ == Place::kData) {
            const auto n = static_cast<std::size_t>(
                std::min<std::uint64_t>(left_, input.size() - step.consumed));
            step.data = input.substr(step.consumed, n);
            step.consumed += n;
            left_ -= n;
            if (left_ == 0) place_ = Place::kDataCr;
            return step;
        }
        take(input[step.consumed++]);
    }
    return step;
}

void ChunkedDecoder::take_size(char c) {
    const int digit = hex_digit(c);
    if (digit >= 0) {
        if (++size_digits_ > kSizeDigitsMax) return fail();
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        return;
    }
    if (size_digits_ == 0) return fail();
    if (c == '\r') {
        place_ = Place::kSizeLf;
    } else if (c == ';' || c == ' ' || c == '\t') {
        place_ = Place::kExtension;
        ++extension_bytes_;
    } else {
        fail();
    }
}

void ChunkedDecoder::take(char c) {
    switch (place_) {
        case Place::kSize:
            return take_size(c);
        case Place::kExtension:
            if (++extension_bytes_ > limits::http_chunk_extension_bytes_max) return fail();
            if (c == '\r') {
                place_ = Place::kSizeLf;
            } else if (!is_line_byte(c)) {
                fail();
            }
            return;
        case Place::kSizeLf:
            if (c != '\n') return fail();
            place_ = left_ == 0 ? Place::kTrailerStart : Place::kData;
            size_digits_ = 0;
            return;
        case Place::kData:
            return;  // taken in runs by feed()
        case Place::kDataCr:
            if (c != '\r') return fail();
            place_ = Place::kDataLf;
            return;
        case Place::kDataLf:
            if (c != '\n') return fail();
            place_ = Place::kSize;
            return;
        case Place::kTrailerStart:
            if (c == '\r') {
                place_ = Place::kEndLf;
                return;
            }
            place_ = Place::kTrailer;
            [[fallthrough]];
        case Place::kTrailer:
            if (++trailer_bytes_ > limits::http_trailer_bytes_max) return fail();
            if (c == '\r') {
                place_ = Place::kTrailerLf;
            } else if (!is_line_byte(c)) {
                fail();
            }
            return;
        case Place::kTrailerLf:
            if (c != '\n') return fail();
            place_ = Place::kTrailerStart;
            return;
        case Place::kEndLf:
            if (c != '\n') return fail();
            state_ = State::kDone;
            return;
    }
}

}  // namespace reelfs::http
