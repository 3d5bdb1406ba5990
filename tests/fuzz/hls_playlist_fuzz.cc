// HLS playlists: whatever the text, numbers stay bounded, and what may be asked for is consistent:
// a part that is reached stays so when its segment is asked for earlier.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/hls_playlist.h"
#include "reelfs/model/limits.h"

using namespace reelfs::http;

namespace {
void require(bool condition) {
    if (!condition) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto playlist = read_hls_playlist(text);
    if (!playlist) return 0;
    require(playlist->target_ms > 0);
    require(playlist->part_target_ms >= 0);
    const std::int64_t hold_ms = hold_ms_of(*playlist);
    require(hold_ms > 0 && hold_ms <= reelfs::limits::http_playlist_hold_ms_max);
    for (const std::uint64_t ahead : {0, 1, 2}) {
        const HlsPosition whole{playlist->next_segment + ahead, std::nullopt};
        const HlsProgress progress = progress_of(*playlist, whole);
        require(playlist->ended
                    ? progress == HlsProgress::kReached
                    : progress == (ahead < 2 ? HlsProgress::kToCome : HlsProgress::kTooFar));
    }
    if (playlist->next_segment > 0) {
        const std::uint64_t last = playlist->next_segment - 1;
        require(progress_of(*playlist, {last, std::nullopt}) == HlsProgress::kReached);
        require(progress_of(*playlist, {last, 0}) == HlsProgress::kReached);
    }
    if (playlist->next_segment_parts > 0)
        require(progress_of(*playlist, {playlist->next_segment, playlist->next_segment_parts -
                                                                    1}) == HlsProgress::kReached);
    return 0;
}
