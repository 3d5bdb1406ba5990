// Media types by file name, for objects that carry none. Pure.
#pragma once

#include <string_view>

namespace reelfs::http {

/// By the extension, in any case; application/octet-stream when there is none or it is unknown.
std::string_view mime_type_of(std::string_view file_name);

/// Whether a live packager rewrites files of this name under the same name: .m3u8, .mpd.
bool is_manifest(std::string_view file_name);

/// .m3u8, in any case.
bool is_hls_playlist(std::string_view file_name);

/// What may become a header's value: visible ASCII, SP, HTAB; 1 to 1,024 bytes.
bool is_safe_field_value(std::string_view value);

}  // namespace reelfs::http
