// C libraries of cryptography speak of unsigned char; we of std::byte. The same memory.
#pragma once

#include <cstddef>

namespace reelfs::crypto {

inline unsigned char* raw(std::byte* bytes) {
    return reinterpret_cast<unsigned char*>(bytes);
}
inline const unsigned char* raw(const std::byte* bytes) {
    return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace reelfs::crypto
