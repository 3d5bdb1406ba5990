// Names and offsets on a zone, as pure functions. The bytes of a pack belong to whoever put them;
// the store itself writes nothing but file names:
//
//     <zone>/packs/3f/3f09...c2.pack    a pack: 32 hex digits, in the directory of the first two
//     <zone>/aside/3f09...c2.pack       a pack that was set aside
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "reelfs/model/ids.h"
#include "reelfs/model/limits.h"

namespace reelfs::store {

constexpr std::uint64_t align_up(std::uint64_t offset) {
    return (offset + limits::pack_alignment - 1) / limits::pack_alignment * limits::pack_alignment;
}
constexpr std::uint64_t align_down(std::uint64_t offset) {
    return offset / limits::pack_alignment * limits::pack_alignment;
}

/// A run of bytes; empty when begin == end.
struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool empty() const { return begin >= end; }
    std::uint64_t length() const { return end - begin; }
};

/// The largest aligned run inside [offset, offset + length): what may be punched.
constexpr Range aligned_inside(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t begin = align_up(offset), end = align_down(offset + length);
    return begin < end ? Range{begin, end} : Range{};
}

/// "3f": the directory of a pack within `packs`.
std::string bucket_name(std::uint8_t bucket);
inline std::uint8_t bucket_of(const PackId& pack) {
    return std::to_integer<std::uint8_t>(pack.bytes[0]);
}
/// "3f09...c2.pack"
std::string file_name(const PackId& pack);
/// The inverse of file_name(); nothing for any other name.
std::optional<PackId> pack_of_file_name(std::string_view name);

}  // namespace reelfs::store
