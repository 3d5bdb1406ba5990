// What a held request must know of an HLS media playlist (RFC 8216bis): how far it has come,
// whether it goes on, how long its segments are. A single pass over the text, line by line; what
// the reader does not know it passes over, as the specification asks of clients.
//
// Pure: no state, any thread. The text comes from whoever may write here: numbers are bounded, and
// nothing is kept per segment.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reelfs::http {

struct HlsPlaylist {
    bool ended = false;                    // EXT-X-ENDLIST
    std::int64_t target_ms = 0;            // EXT-X-TARGETDURATION; 0: none
    std::int64_t part_target_ms = 0;       // EXT-X-PART-INF; 0: no parts
    std::uint64_t next_segment = 0;        // media sequence number of the segment not whole yet
    std::uint64_t next_segment_parts = 0;  // of it, parts already there
    std::uint64_t last_segment_parts = 0;  // of the last whole segment, parts listed

    bool operator==(const HlsPlaylist&) const = default;
};

/// Nothing for what is no media playlist: another file, or one that lists variants.
std::optional<HlsPlaylist> read_hls_playlist(std::string_view text);

/// What _HLS_msn and _HLS_part ask for.
struct HlsPosition {
    std::uint64_t segment = 0;
    std::optional<std::uint64_t> part;
};

enum class HlsProgress {
    kReached,  // it is there, or the playlist has ended
    kToCome,   // hold the request
    kTooFar,   // beyond what may be asked for: 400
};
HlsProgress progress_of(const HlsPlaylist& playlist, const HlsPosition& asked);

/// How long a request for the playlist may be held: three target durations, bounded.
std::int64_t hold_ms_of(const HlsPlaylist& playlist);

}  // namespace reelfs::http
