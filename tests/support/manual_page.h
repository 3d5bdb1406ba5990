// The worked examples of a manual page, read from the page itself: its hex dumps by section.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "reelfs/base/bytes.h"

namespace reelfs::test {

/// `page`: "reelfs-format.5", of the source tree.
inline std::vector<std::string> page_lines(const std::string& page) {
    const char* root = std::getenv("REELFS_SOURCE");
    EXPECT_NE(root, nullptr) << "run by ctest, or set REELFS_SOURCE to the source tree";
    std::ifstream file(std::string(root != nullptr ? root : ".") + "/man/" + page);
    EXPECT_TRUE(file.is_open());
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

inline bool is_dump_line(const std::string& line) {
    return line.size() >= 8 && line.find_first_not_of("0123456789abcdef ") == std::string::npos;
}

/// The dumps between ".Sh SECTION" and the next section; "*" repeats the line before it.
inline std::vector<std::vector<std::byte>> dumps_under(const std::string& page,
                                                       const std::string& section) {
    std::vector<std::vector<std::byte>> dumps;
    bool inside = false;
    for (const std::string& line : page_lines(page)) {
        if (line.starts_with(".Sh ")) inside = line == ".Sh " + section;
        if (!inside || !is_dump_line(line)) continue;
        const std::size_t offset = std::stoul(line.substr(0, 8), nullptr, 16);
        if (offset == 0) dumps.emplace_back();
        if (dumps.empty()) continue;
        std::vector<std::byte>& dump = dumps.back();
        while (dump.size() < offset) {
            const std::vector<std::byte> last(dump.end() - 16, dump.end());
            dump.insert(dump.end(), last.begin(), last.end());
        }
        std::string digits = line.substr(8);
        std::erase(digits, ' ');
        if (const auto bytes = from_hex(digits))
            dump.insert(dump.end(), bytes->begin(), bytes->end());
    }
    return dumps;
}

}  // namespace reelfs::test
