// How much of itself a Scaled test plays: a part in every run, all of it when REELFS_TEST_SCALE is
// full.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace reelfs::test {

inline bool full_scale() {
    const char* scale = std::getenv("REELFS_TEST_SCALE");
    return scale != nullptr && std::string_view(scale) == "full";
}

/// As tests/system/harness.py says it, for tools/test to collect.
inline void print_scale(const char* what, std::uint64_t now, std::uint64_t full) {
    std::printf("%s %llu of %llu\n", what, static_cast<unsigned long long>(now),
                static_cast<unsigned long long>(full));
    std::fflush(stdout);
}

}  // namespace reelfs::test
