// What a sealed extent looks like, byte by byte, and the arithmetic between plaintext and sealed
// offsets. Format 1, also in man/reelfs-format.5, "Packs and extents":
//
//     offset  size  meaning
//     0       8     magic "RFSEXT01"
//     8       2     format version (1)
//     10      1     cipher (1: AES-256-GCM)
//     11      1     log2 of the block size in bytes (12 to 20)
//     12      4     key id
//     16      8     container id
//     24      8     extent id
//     32      24    salt: random, drawn for this extent alone
//     56      4     number of blocks
//     60      4     zero
//     64      8     XXH3-64 of all from 128 to the end, as stored: for a scrub without keys
//     72      24    sealed: node id (8), file offset (8), plaintext bytes (4), zero (4); read when
//                   a catalog is rebuilt
//     96      16    tag of the 24 bytes before
//     112     8     zero
//     120     8     XXH3-64 of bytes 0 to 119
//     128     16n   tags, one for each block
//             ...   zeros up to the body: a multiple of 64 for a body of at most 64 KiB, else 4,096
//             ...   blocks, back to back; the last one padded with zeros, before it is sealed, to a
//                   multiple of 256 bytes
//
// Subkey: derive(container key, "extent", salt). Nonce: the block number (4 bytes), then zeros; the
// head's sealed part uses block number 0xFFFFFFFF. Associated data of a block: "RFSB", version,
// cipher, block shift, container, key id, extent id, block number, plaintext bytes in the block.
// Location is not bound: an extent may be moved without being opened.
//
// A salt is used for exactly one call of seal_extent, on a buffer that no writer can touch.
#pragma once

#include <cstdint>
#include <optional>

#include "reelfs/base/bytes.h"
#include "reelfs/base/random.h"
#include "reelfs/base/result.h"
#include "reelfs/crypto/aead.h"
#include "reelfs/model/extent.h"

namespace reelfs::content {

inline constexpr std::size_t kHeaderBytes = 128;
inline constexpr std::size_t kTailAlignment = 256;

/// Pure arithmetic over an extent's plaintext length and block size.
class ExtentLayout {
  public:
    ExtentLayout(std::uint32_t plain_bytes, unsigned block_shift);
    explicit ExtentLayout(const ExtentShape& shape)
        : ExtentLayout(shape.plain_bytes, shape.block_shift) {}

    std::uint32_t block_count() const { return block_count_; }
    std::uint32_t block_bytes() const { return std::uint32_t{1} << shift_; }
    BlockIndex block_of(std::uint64_t plain_offset) const {
        return BlockIndex(static_cast<std::uint32_t>(plain_offset >> shift_));
    }
    std::uint64_t plain_start(BlockIndex block) const {
        return std::uint64_t{block.value()} << shift_;
    }
    /// Plaintext bytes in a block: the block size, less in the last.
    std::uint32_t plain_length(BlockIndex block) const;
    /// Stored bytes of a block: plain_length rounded up to kTailAlignment.
    std::uint32_t sealed_length(BlockIndex block) const;
    std::uint64_t tags_offset() const { return kHeaderBytes; }
    std::uint64_t tags_length() const { return std::uint64_t{block_count_} * crypto::kTagBytes; }
    std::uint64_t body_offset() const { return body_offset_; }
    std::uint64_t sealed_start(BlockIndex block) const { return body_offset_ + plain_start(block); }
    std::uint64_t total_length() const { return total_length_; }

  private:
    std::uint32_t plain_bytes_;
    unsigned shift_;
    std::uint32_t block_count_;
    std::uint64_t body_offset_;
    std::uint64_t total_length_;
};

/// Where an extent's bytes belonged when it was sealed.
struct ExtentOrigin {
    NodeId node;
    std::uint64_t file_offset = 0;
    bool operator==(const ExtentOrigin&) const = default;
};

struct SealedExtent {
    ExtentShape shape;
    Buffer bytes;  // header, tags, padding, body
};

/// What identifies an extent before it is sealed.
struct ExtentIdentity {
    ExtentId extent;
    ContainerId container;
    KeyId key;
    std::uint8_t block_shift = 0;
};

/// Seals 1 byte to limits::extent_bytes_max of plaintext under a fresh salt.
SealedExtent seal_extent(const crypto::SecretKey& container_key, const ExtentIdentity& identity,
                         const ExtentOrigin& origin, Bytes plain, Random& random);

/// Opens blocks of one extent. Not thread-safe. To make one costs about 2 us.
class ExtentOpener {
  public:
    ExtentOpener(const crypto::SecretKey& container_key, const ExtentShape& shape);

    /// `sealed` has layout().sealed_length(block) bytes, `tag` 16; `plain` as many as `sealed` (the
    /// padding included), or is `sealed` itself. kCorrupt when not authentic.
    Result<void> open_block(BlockIndex block, Bytes tag, Bytes sealed, MutableBytes plain);
    const ExtentShape& shape() const { return shape_; }
    const ExtentLayout& layout() const { return layout_; }

  private:
    const ExtentShape shape_;
    const ExtentLayout layout_;
    crypto::AeadKey key_;
};

/// The plain part of a header, checked as far as that goes without keys. kCorrupt, kNewerFormat.
struct ExtentHeader {
    ExtentShape shape;  // plain_bytes is 0 until open_origin
    std::uint32_t block_count = 0;
    std::uint64_t body_checksum = 0;
};
Result<ExtentHeader> decode_header(Bytes first_128_bytes);
/// The sealed part of a header: origin and plaintext length.
Result<std::pair<ExtentOrigin, std::uint32_t>> open_origin(const crypto::SecretKey& container_key,
                                                           Bytes first_128_bytes);
/// Keyless: does the stored extent (all of it) match its checksums? For scrub.
Result<void> verify_checksums(Bytes sealed_extent);
/// With the key: opens every block of a whole stored extent and compares its header with `shape`.
/// kCorrupt.
Result<void> verify_extent(const crypto::SecretKey& container_key, const ExtentShape& shape,
                           Bytes sealed_extent);

}  // namespace reelfs::content
