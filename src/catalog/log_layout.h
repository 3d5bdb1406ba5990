// Arithmetic of the catalog's two files, and nothing else. Sealed units have the size of what
// SQLite thinks it writes, because the last 40 bytes of every page are reserved for the seal's
// trailer:
//
//     database   page n (from 1) at (n - 1) * 4096: 4056 bytes of ciphertext, 40 of trailer
//     log        0     header, first copy: 32 bytes of ciphertext, 40 of trailer
//                2048  header, second copy: the same 72 bytes
//                4096  frame 1, then every 4120 bytes the next: 4080 bytes of ciphertext (SQLite's
//                      frame header of 24, the page without its reserved bytes), 40 of trailer
//
// SQLite has its 32-byte header at 0 and frame 1 at 32; those are "logical" offsets here, and
// "physical" is 4064 more for frames. The header is sealed too, so a flipped bit in it cannot pass
// for a restarted log, and stands in two sectors, so that neither damage to one nor a torn rewrite
// takes it away.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "reelfs/base/bytes.h"
#include "reelfs/crypto/page_seal.h"

namespace reelfs::catalog {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kReservedBytes = crypto::kPageTrailerBytes;
inline constexpr std::size_t kPagePlainBytes = kPageBytes - kReservedBytes;

inline constexpr std::size_t kLogHeaderBytes = 32;
inline constexpr std::size_t kSealedLogHeaderBytes = kLogHeaderBytes + kReservedBytes;
inline constexpr std::size_t kLogHeaderBlockBytes = 4096;
inline constexpr std::size_t kLogHeaderCopyOffset = 2048;

inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kFrameBytes = kFrameHeaderBytes + kPageBytes;
inline constexpr std::size_t kFramePlainBytes = kFrameBytes - kReservedBytes;

static_assert(kSealedLogHeaderBytes <= 512, "a copy of the log's header fits one sector");
static_assert(kLogHeaderCopyOffset % 512 == 0);

/// Position of the header's seal; frames count from 1.
inline constexpr std::uint64_t kLogHeaderIndex = 0;

/// Where frame `frame` (from 1) stands on disk.
constexpr std::uint64_t physical_of(std::uint64_t frame) {
    return kLogHeaderBlockBytes + (frame - 1) * kFrameBytes;
}
/// The size SQLite sees for a log of `frames` frames.
constexpr std::uint64_t logical_size(std::uint64_t frames) {
    return kLogHeaderBytes + frames * kFrameBytes;
}
/// Whole frame slots in a log file of `physical_bytes`.
constexpr std::uint64_t slots_in(std::uint64_t physical_bytes) {
    return physical_bytes <= kLogHeaderBlockBytes
               ? 0
               : (physical_bytes - kLogHeaderBlockBytes) / kFrameBytes;
}

struct FramePlace {
    std::uint64_t frame;  // from 1
    std::size_t within;   // offset in the frame, its header included
};
/// The frame at a logical offset that is not in the header.
constexpr FramePlace place_of(std::uint64_t logical) {
    std::uint64_t offset = logical - kLogHeaderBytes;
    return {.frame = offset / kFrameBytes + 1,
            .within = static_cast<std::size_t>(offset % kFrameBytes)};
}

using Salts = std::array<std::byte, 8>;

/// SQLite's running checksum of the log: two sums over little-endian words (fileformat2.html,
/// "Checksum Algorithm").
struct LogChecksum {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    bool operator==(const LogChecksum&) const = default;
};
LogChecksum add(LogChecksum sum, Bytes words);

/// The log's header as SQLite writes it (all numbers big-endian).
struct LogHeader {
    std::uint32_t restarts = 0;  // since the file was empty
    Salts salts{};
    LogChecksum checksum;
    /// Random for an empty file; SQLite increments it at every restart of the log.
    std::uint32_t generation() const;
};
/// False when it is not a header for this page size and byte order with a matching checksum.
bool parse_log_header(Bytes plain, LogHeader& header);

/// A frame's header as SQLite writes it.
struct FrameHeader {
    std::uint32_t page = 0;
    std::uint32_t database_pages = 0;  // of a commit frame: pages after it; 0 in any other frame
    Salts salts{};
    LogChecksum checksum;
    std::uint32_t generation() const;
    bool commits() const { return database_pages != 0; }
    /// Written in a transaction that has rewritten an earlier frame: SQLite leaves salts and
    /// checksum zero until it recomputes all of them at commit.
    bool unfinished() const { return salts == Salts{}; }
};
FrameHeader parse_frame_header(Bytes plain);

/// The checksum that a frame must carry when the one before it carried `before`. `plain` is the
/// opened frame: header, and the page without its reserved bytes (which are zeros).
LogChecksum frame_checksum(LogChecksum before, Bytes plain);

}  // namespace reelfs::catalog
