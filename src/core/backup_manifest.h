// What a backup says of itself: one text file, replaced whole when a backup is complete, so it
// always describes one that is. Holds no secret: names of packs are random. Pure.
//
//     reelfs-backup 1
//     store 0123456789abcdef0123456789abcdef
//     generation 3
//     taken 1700000000000000000
//     keyring 1008 8a1b...                 bytes, XXH3-64
//     database 40960 77c0...
//     log 8216 03fe...
//     pack 3f09...c2 0 1048576 55aa...     name; first byte, bytes and XXH3-64 of a part;
//     pack 3f09...c2 1048576 4096 91d3...  parts of one pack follow each other
//     unread 3f09...c2 4096                so many bytes of it the store's disk did not give: zeros
//     end 6b1f...                          XXH3-64 of all lines before
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/clock.h"
#include "reelfs/base/result.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

struct CopiedFile {
    std::uint64_t bytes = 0;
    std::uint64_t sum = 0;
    bool operator==(const CopiedFile&) const = default;
};

struct CopiedPart {
    std::uint64_t from = 0;
    std::uint64_t bytes = 0;
    std::uint64_t sum = 0;
    bool operator==(const CopiedPart&) const = default;
};

struct BackupManifest {
    StoreId store;
    std::uint64_t generation = 0;
    Timestamp taken;
    CopiedFile keyring, database, log;
    std::map<PackId, std::vector<CopiedPart>> packs;
    std::map<PackId, std::uint64_t> unread;
    bool operator==(const BackupManifest&) const = default;
};

inline constexpr const char* kManifestName = "reelfs-backup";
inline constexpr std::size_t kManifestBytesMax = std::size_t{1} << 30;

std::string encode(const BackupManifest& manifest);
/// kCorrupt, kNewerFormat.
Result<BackupManifest> decode_manifest(std::string_view text);

/// Bytes that the parts of a pack cover.
std::uint64_t length_of(const std::vector<CopiedPart>& parts);

}  // namespace reelfs::core
