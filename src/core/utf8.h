// Whether bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing beyond U+10FFFF).
// Pure.
#pragma once

#include <string_view>

namespace reelfs::core {

inline bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i++]);
        if (first < 0x80) continue;
        int more = 0;
        unsigned low = 0x80, high = 0xbf;  // of the second byte
        if (first >= 0xc2 && first <= 0xdf) {
            more = 1;
        } else if (first >= 0xe0 && first <= 0xef) {
            more = 2;
            if (first == 0xe0) low = 0xa0;
            if (first == 0xed) high = 0x9f;
        } else if (first >= 0xf0 && first <= 0xf4) {
            more = 3;
            if (first == 0xf0) low = 0x90;
            if (first == 0xf4) high = 0x8f;
        } else {
            return false;
        }
        for (; more > 0; --more) {
            if (i == text.size()) return false;
            const auto byte = static_cast<unsigned char>(text[i++]);
            if (byte < low || byte > high) return false;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}

}  // namespace reelfs::core
