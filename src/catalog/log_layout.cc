// Parsing of what SQLite writes into its log. Only sealed bytes that proved authentic come here.
#include "catalog/log_layout.h"

#include <algorithm>
#include <cstring>

namespace reelfs::catalog {

namespace {

constexpr std::uint32_t kMagicLittleEndian = 0x377f0682;
constexpr std::uint32_t kLogVersion = 3007000;

std::uint32_t load_be(const std::byte* from) {
    return __builtin_bswap32(load_le<std::uint32_t>(from));
}
LogChecksum load_checksum(const std::byte* from) {
    return {load_be(from), load_be(from + 4)};
}

}  // namespace

LogChecksum add(LogChecksum sum, Bytes words) {
    for (std::size_t i = 0; i + 8 <= words.size(); i += 8) {
        sum.first += load_le<std::uint32_t>(words.data() + i) + sum.second;
        sum.second += load_le<std::uint32_t>(words.data() + i + 4) + sum.first;
    }
    return sum;
}

std::uint32_t LogHeader::generation() const {
    return load_be(salts.data());
}

std::uint32_t FrameHeader::generation() const {
    return load_be(salts.data());
}

bool parse_log_header(Bytes plain, LogHeader& header) {
    if (load_be(plain.data()) != kMagicLittleEndian || load_be(plain.data() + 4) != kLogVersion ||
        load_be(plain.data() + 8) != kPageBytes)
        return false;
    header.restarts = load_be(plain.data() + 12);
    std::copy_n(plain.data() + 16, header.salts.size(), header.salts.data());
    header.checksum = load_checksum(plain.data() + 24);
    return header.checksum == add({}, plain.first(24));
}

FrameHeader parse_frame_header(Bytes plain) {
    FrameHeader header;
    header.page = load_be(plain.data());
    header.database_pages = load_be(plain.data() + 4);
    std::copy_n(plain.data() + 8, header.salts.size(), header.salts.data());
    header.checksum = load_checksum(plain.data() + 16);
    return header;
}

LogChecksum frame_checksum(LogChecksum before, Bytes plain) {
    static constexpr std::array<std::byte, kReservedBytes> reserved{};
    LogChecksum sum = add(before, plain.first(8));
    sum = add(sum, plain.subspan(kFrameHeaderBytes));
    return add(sum, reserved);
}

}  // namespace reelfs::catalog
