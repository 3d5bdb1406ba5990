// Extents as values: what one is, where its sealed bytes are, and which part of a file it holds.
//
//     file offset      0         100            300        400
//                      |--slice--|     hole     |--slice---|
//     slice            {file_offset, length, extent, start}: bytes [start, start+length) of the
//     extent's plaintext
//
// Slices of one file never overlap; what no slice covers, below the size, reads as zeros.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "reelfs/model/ids.h"

namespace reelfs {

using Salt = std::array<std::byte, 24>;

/// Everything but the key that is needed to open an extent's blocks. `plain_bytes` may be less than
/// block_count << block_shift: the last block is padded with zeros before it is sealed.
struct ExtentShape {
    ExtentId extent;
    ContainerId container;
    KeyId key;
    Salt salt{};
    std::uint8_t cipher = 1;       // 1: AES-256-GCM
    std::uint8_t block_shift = 0;  // log2 of the block size in bytes
    std::uint32_t plain_bytes = 0;
    bool operator==(const ExtentShape&) const = default;
};

/// Where sealed bytes stand: in a pack, or (no pack) in the catalog's row itself.
struct Location {
    std::optional<PackId> pack;
    std::uint64_t offset = 0;  // in the pack; 0 when inline
    std::uint64_t length = 0;  // header, tags, padding and blocks
    bool operator==(const Location&) const = default;
};

/// An extent that has been put somewhere. Unshared, it belongs to one node, whose slices of it all
/// have the same distance (file_offset - start). Shared, any slice of any file of its container may
/// name any of its bytes, and the catalog counts for each block the slices that touch it.
struct PlacedExtent {
    ExtentShape shape;
    Location location;
    bool shared = false;  // once so, always
    bool operator==(const PlacedExtent&) const = default;
};

struct Slice {
    std::uint64_t file_offset = 0;
    std::uint64_t length = 0;
    ExtentId extent;
    std::uint64_t start = 0;  // of this slice in the extent's plaintext
    std::uint64_t end() const { return file_offset + length; }
    bool operator==(const Slice&) const = default;
};

/// A run of a pack given back: 4 KiB aligned unless it reaches the extent's end.
struct FreedRange {
    PackId pack;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool operator==(const FreedRange&) const = default;
};

}  // namespace reelfs
