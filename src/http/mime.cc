#include "http/mime.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

using Entry = std::pair<std::string_view, std::string_view>;

// Sorted by extension. Types are IANA's where players take them, else what players take.
constexpr auto kTypes = std::to_array<Entry>({
    {"3gp", "video/3gpp"},
    {"aac", "audio/aac"},
    {"ac3", "audio/ac3"},
    {"aif", "audio/aiff"},
    {"aiff", "audio/aiff"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"cmfa", "audio/mp4"},
    {"cmft", "application/mp4"},
    {"cmfv", "video/mp4"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"dash", "application/dash+xml"},
    {"ec3", "audio/eac3"},
    {"flac", "audio/flac"},
    {"flv", "video/x-flv"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"imsc", "application/ttml+xml"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"m2ts", "video/mp2t"},
    {"m3u", "audio/mpegurl"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"m4s", "video/iso.segment"},
    {"m4v", "video/mp4"},
    {"md", "text/markdown"},
    {"mka", "audio/x-matroska"},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp2", "audio/mpeg"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"mts", "video/mp2t"},
    {"mxf", "application/mxf"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"srt", "application/x-subrip"},
    {"svg", "image/svg+xml"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ts", "video/mp2t"},
    {"ttml", "application/ttml+xml"},
    {"txt", "text/plain"},
    {"vtt", "text/vtt"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
});
static_assert(std::is_sorted(kTypes.begin(), kTypes.end()));

constexpr std::size_t kExtensionBytesMax = 5;

std::string extension_of(std::string_view file_name) {
    const std::size_t dot = file_name.rfind('.');
    if (dot == std::string_view::npos || file_name.size() - dot - 1 > kExtensionBytesMax) return "";
    std::string extension(file_name.substr(dot + 1));
    std::transform(extension.begin(), extension.end(), extension.begin(), to_lower);
    return extension;
}

}  // namespace

std::string_view mime_type_of(std::string_view file_name) {
    const std::string extension = extension_of(file_name);
    const auto found = std::lower_bound(
        kTypes.begin(), kTypes.end(), extension,
        [](const Entry& entry, const std::string& wanted) { return entry.first < wanted; });
    if (found == kTypes.end() || found->first != extension) return "application/octet-stream";
    return found->second;
}

bool is_manifest(std::string_view file_name) {
    const std::string extension = extension_of(file_name);
    return extension == "m3u8" || extension == "mpd";
}

bool is_hls_playlist(std::string_view file_name) {
    return extension_of(file_name) == "m3u8";
}

bool is_safe_field_value(std::string_view value) {
    return !value.empty() && value.size() <= limits::header_value_bytes_max &&
           std::all_of(value.begin(), value.end(),
                       [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; });
}

}  // namespace reelfs::http
