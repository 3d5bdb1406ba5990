// Stops the process, in every build, when going on would risk keys or plaintext: a caller that
// breaks a size contract here would seal or open the wrong bytes.
#pragma once

namespace reelfs::crypto {

[[noreturn]] void stop(const char* what);

inline void require(bool condition, const char* what) {
    if (!condition) [[unlikely]]
        stop(what);
}

}  // namespace reelfs::crypto
