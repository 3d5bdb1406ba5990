// The chunked coding (RFC 9112 section 7.1), for request bodies: finds the data and the end.
// Strict, since what follows the end is the next request. Pure state machine; one body each;
// tests/fuzz/chunked_fuzz.cc.
//
//     size line  1*HEXDIG [extension] CRLF        extensions of a body: at most 4 KiB together
//     data       size bytes, CRLF
//     last       size 0; then trailer lines, then an empty line; trailers: at most 8 KiB
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reelfs::http {

class ChunkedDecoder {
  public:
    enum class State { kMore, kDone, kMalformed };
    struct Step {
        std::size_t consumed = 0;  // bytes taken off the input
        std::string_view data;     // body bytes among them; a view into the input
    };
    /// Takes what it can up to and including one run of data. Call until it consumes nothing or
    /// state() is not kMore.
    Step feed(std::string_view input);
    State state() const { return state_; }

  private:
    enum class Place {
        kSize,
        kExtension,
        kSizeLf,
        kData,
        kDataCr,
        kDataLf,
        kTrailerStart,
        kTrailer,
        kTrailerLf,
        kEndLf,
    };
    void take(char c);
    void take_size(char c);
    void fail() { state_ = State::kMalformed; }

    State state_ = State::kMore;
    Place place_ = Place::kSize;
    std::uint64_t left_ = 0;  // of the chunk at hand
    unsigned size_digits_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
};

}  // namespace reelfs::http
