// How much of a test runs: a part where it has to be quick, all of it with REELFS_TEST_SCALE=full.
// What it says is what tests/system/harness.py says, for tools/test to collect.
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

inline void print_scale(const char* what, std::uint64_t now, std::uint64_t full) {
    std::printf("%s %llu of %llu\n", what, static_cast<unsigned long long>(now),
                static_cast<unsigned long long>(full));
    std::fflush(stdout);
}

/// The number for this run, printed.
inline std::uint64_t scaled(const char* what, std::uint64_t part, std::uint64_t full) {
    const std::uint64_t number = full_scale() ? full : part;
    print_scale(what, number, full);
    return number;
}

}  // namespace reelfs::test
