#include "http/hls_playlist.h"

#include <algorithm>
#include <utility>

#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

/// Durations beyond this are nobody's; the bound keeps sums of them far from overflow.
constexpr std::uint64_t kSecondsMax = 86'400;
/// Sequence numbers likewise.
constexpr std::uint64_t kSequenceMax = std::uint64_t{1} << 53;

/// The value behind `name` when the line is that tag.
std::optional<std::string_view> tag_value(std::string_view line, std::string_view name) {
    if (!line.starts_with(name)) return std::nullopt;
    line.remove_prefix(name.size());
    if (line.empty()) return line;
    if (line.front() != ':') return std::nullopt;  // a longer name
    return line.substr(1);
}

/// A decimal number of seconds, whole or with a fraction, in milliseconds; 0 for anything else.
std::int64_t milliseconds(std::string_view seconds) {
    const std::size_t point = std::min(seconds.find('.'), seconds.size());
    const auto whole = parse_decimal(seconds.substr(0, point));
    if (!whole) return 0;
    std::uint64_t value = std::min(*whole, kSecondsMax) * 1'000;
    std::uint64_t weight = 100;
    for (std::size_t i = point + 1; i < seconds.size(); ++i, weight /= 10) {
        if (!is_digit(seconds[i])) return 0;
        value += static_cast<std::uint64_t>(seconds[i] - '0') * weight;
    }
    return static_cast<std::int64_t>(value);
}

/// The value of one attribute of a list: NAME=value,NAME="value, with comma".
std::string_view attribute(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        const std::size_t equals = list.find('=');
        if (equals == std::string_view::npos) return {};
        const std::string_view found = trimmed(list.substr(0, equals));
        list.remove_prefix(equals + 1);
        std::size_t end = 0;
        if (list.starts_with('"')) {
            end = list.find('"', 1);
            if (end == std::string_view::npos) return {};
            ++end;
        }
        end = std::min(list.find(',', end), list.size());
        if (found == name) return trimmed(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return {};
}

std::string_view next_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

}  // namespace

std::optional<HlsPlaylist> read_hls_playlist(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    if (next_line(text) != "#EXTM3U") return std::nullopt;
    HlsPlaylist playlist;
    std::uint64_t parts = 0;
    while (!text.empty()) {
        const std::string_view line = next_line(text);
        if (line.empty()) continue;
        if (line.front() != '#') {
            ++playlist.next_segment;
            playlist.last_segment_parts = std::exchange(parts, 0);
        } else if (tag_value(line, "#EXT-X-PART")) {
            ++parts;
        } else if (const auto number = tag_value(line, "#EXT-X-MEDIA-SEQUENCE")) {
            playlist.next_segment += std::min(parse_decimal(*number).value_or(0), kSequenceMax);
        } else if (const auto skipped = tag_value(line, "#EXT-X-SKIP")) {
            const auto count = parse_decimal(attribute(*skipped, "SKIPPED-SEGMENTS"));
            playlist.next_segment += std::min(count.value_or(0), kSequenceMax);
        } else if (const auto target = tag_value(line, "#EXT-X-TARGETDURATION")) {
            playlist.target_ms = milliseconds(*target);
        } else if (const auto info = tag_value(line, "#EXT-X-PART-INF")) {
            playlist.part_target_ms = milliseconds(attribute(*info, "PART-TARGET"));
        } else if (tag_value(line, "#EXT-X-ENDLIST")) {
            playlist.ended = true;
        } else if (tag_value(line, "#EXT-X-STREAM-INF")) {
            return std::nullopt;
        }
    }
    playlist.next_segment_parts = parts;
    // Every media playlist has a target duration; a list without one is somebody else's.
    if (playlist.target_ms == 0) return std::nullopt;
    return playlist;
}

HlsProgress progress_of(const HlsPlaylist& playlist, const HlsPosition& asked) {
    if (playlist.ended) return HlsProgress::kReached;
    HlsPosition wanted = asked;
    if (!wanted.part) {
        if (wanted.segment < playlist.next_segment) return HlsProgress::kReached;
        // The specification's bound: two segments beyond the last whole one.
        return wanted.segment > playlist.next_segment + 1 ? HlsProgress::kTooFar
                                                          : HlsProgress::kToCome;
    }
    // A part behind the last one of a whole segment is the first of the next segment.
    if (wanted.segment + 1 == playlist.next_segment && playlist.last_segment_parts > 0 &&
        *wanted.part >= playlist.last_segment_parts)
        wanted = {wanted.segment + 1, 0};
    if (wanted.segment < playlist.next_segment) return HlsProgress::kReached;
    if (wanted.segment > playlist.next_segment + 1) return HlsProgress::kTooFar;
    if (wanted.segment > playlist.next_segment) return HlsProgress::kToCome;
    if (*wanted.part < playlist.next_segment_parts) return HlsProgress::kReached;
    // Advance Part Limit: three parts, or as many as make three seconds when parts are short.
    const std::int64_t part_ms = playlist.part_target_ms;
    const std::uint64_t ahead = part_ms > 0 && part_ms < 1'000
                                    ? static_cast<std::uint64_t>((3'000 + part_ms - 1) / part_ms)
                                    : 3;
    return *wanted.part >= playlist.next_segment_parts + ahead ? HlsProgress::kTooFar
                                                               : HlsProgress::kToCome;
}

std::int64_t hold_ms_of(const HlsPlaylist& playlist) {
    return std::min(3 * playlist.target_ms, limits::http_playlist_hold_ms_max);
}

}  // namespace reelfs::http
