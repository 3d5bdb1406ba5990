#include "reelfs/content/extent_codec.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>

#include "reelfs/model/limits.h"

namespace reelfs::content {

namespace {

constexpr std::string_view kMagic = "RFSEXT01";
constexpr std::uint16_t kVersion = 1;
constexpr std::uint8_t kAes256Gcm = 1;
constexpr std::uint32_t kOriginBlock = 0xFFFFFFFF;
constexpr std::size_t kChecksummedHead = 120;
constexpr std::size_t kSmallBody = 64 * limits::KiB;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

crypto::Nonce nonce_of(std::uint32_t block) {
    crypto::Nonce nonce{};
    store_le(nonce.data(), block);
    return nonce;
}

using Associated = std::array<std::byte, 40>;

Associated associated_data(const ExtentShape& shape, std::uint32_t block,
                           std::uint32_t plain_length) {
    Associated data{};
    std::memcpy(data.data(), "RFSB", 4);
    store_le(data.data() + 4, kVersion);
    data[6] = std::byte{shape.cipher};
    data[7] = std::byte{shape.block_shift};
    store_le(data.data() + 8, shape.container.value());
    store_le(data.data() + 16, shape.key.value());
    store_le(data.data() + 20, shape.extent.value());
    store_le(data.data() + 28, block);
    store_le(data.data() + 32, plain_length);
    return data;
}

crypto::SecretKey subkey(const crypto::SecretKey& container_key, const Salt& salt) {
    return crypto::derive(container_key, "extent", salt);
}

std::uint64_t checksum(Bytes bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

Error corrupt(const ExtentShape& shape, std::string_view what) {
    return {Errc::kCorrupt, fmt::format("extent {} of container {}: {}", shape.extent.value(),
                                        shape.container.value(), what)};
}

}  // namespace

ExtentLayout::ExtentLayout(std::uint32_t plain_bytes, unsigned block_shift)
    : plain_bytes_(plain_bytes), shift_(block_shift) {
    block_count_ = static_cast<std::uint32_t>(
        (std::uint64_t{plain_bytes} + (std::uint64_t{1} << shift_) - 1) >> shift_);
    const std::uint64_t head = kHeaderBytes + tags_length();
    const std::uint64_t body = plain_bytes == 0 ? 0 : round_up(plain_bytes, kTailAlignment);
    body_offset_ = round_up(head, body <= kSmallBody ? 64 : limits::pack_alignment);
    total_length_ = body_offset_ + body;
}

std::uint32_t ExtentLayout::plain_length(BlockIndex block) const {
    assert(block.value() < block_count_);
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(block_bytes(), plain_bytes_ - plain_start(block)));
}

std::uint32_t ExtentLayout::sealed_length(BlockIndex block) const {
    return static_cast<std::uint32_t>(round_up(plain_length(block), kTailAlignment));
}

SealedExtent seal_extent(const crypto::SecretKey& container_key, const ExtentIdentity& identity,
                         const ExtentOrigin& origin, Bytes plain, Random& random) {
    assert(!plain.empty() && plain.size() <= limits::extent_bytes_max);
    SealedExtent sealed;
    ExtentShape& shape = sealed.shape;
    shape.extent = identity.extent;
    shape.container = identity.container;
    shape.key = identity.key;
    shape.cipher = kAes256Gcm;
    shape.block_shift = identity.block_shift;
    shape.plain_bytes = static_cast<std::uint32_t>(plain.size());
    random.fill(shape.salt);

    const ExtentLayout layout(shape);
    sealed.bytes = Buffer(layout.total_length());
    MutableBytes out = sealed.bytes.span();
    std::memset(out.data(), 0, layout.body_offset());
    crypto::AeadKey key(subkey(container_key, shape.salt));

    for (std::uint32_t i = 0; i < layout.block_count(); ++i) {
        const BlockIndex block(i);
        const std::uint32_t length = layout.plain_length(block),
                            padded = layout.sealed_length(block);
        MutableBytes cipher = out.subspan(layout.sealed_start(block), padded);
        MutableBytes tag =
            out.subspan(layout.tags_offset() + i * crypto::kTagBytes, crypto::kTagBytes);
        Bytes source = plain.subspan(layout.plain_start(block), length);
        if (padded != length) {
            std::memcpy(cipher.data(), source.data(), length);
            std::memset(cipher.data() + length, 0, padded - length);
            source = cipher;
        }
        key.seal(nonce_of(i), associated_data(shape, i, length), source, cipher, tag);
    }

    std::memcpy(out.data(), kMagic.data(), kMagic.size());
    store_le(out.data() + 8, kVersion);
    out[10] = std::byte{shape.cipher};
    out[11] = std::byte{shape.block_shift};
    store_le(out.data() + 12, shape.key.value());
    store_le(out.data() + 16, shape.container.value());
    store_le(out.data() + 24, shape.extent.value());
    std::memcpy(out.data() + 32, shape.salt.data(), shape.salt.size());
    store_le(out.data() + 56, layout.block_count());
    store_le(out.data() + 64, checksum(out.subspan(kHeaderBytes)));
    store_le(out.data() + 72, origin.node.value());
    store_le(out.data() + 80, origin.file_offset);
    store_le(out.data() + 88, shape.plain_bytes);
    key.seal(nonce_of(kOriginBlock), associated_data(shape, kOriginBlock, 0), out.subspan(72, 24),
             out.subspan(72, 24), out.subspan(96, 16));
    store_le(out.data() + 120, checksum(out.first(kChecksummedHead)));
    return sealed;
}

ExtentOpener::ExtentOpener(const crypto::SecretKey& container_key, const ExtentShape& shape)
    : shape_(shape), layout_(shape), key_(subkey(container_key, shape.salt)) {}

Result<void> ExtentOpener::open_block(BlockIndex block, Bytes tag, Bytes sealed,
                                      MutableBytes plain) {
    assert(sealed.size() == layout_.sealed_length(block) && plain.size() == sealed.size());
    const auto associated = associated_data(shape_, block.value(), layout_.plain_length(block));
    if (!key_.open(nonce_of(block.value()), associated, sealed, tag, plain))
        return corrupt(shape_, fmt::format("block {} is damaged", block.value()));
    return done();
}

Result<ExtentHeader> decode_header(Bytes bytes) {
    if (bytes.size() < kHeaderBytes) return Error(Errc::kCorrupt, "extent header: cut short");
    if (text_of(bytes.first(8)) != kMagic) return Error(Errc::kCorrupt, "extent header: no magic");
    if (load_le<std::uint64_t>(bytes.data() + 120) != checksum(bytes.first(kChecksummedHead)))
        return Error(Errc::kCorrupt, "extent header: damaged");
    if (load_le<std::uint16_t>(bytes.data() + 8) > kVersion)
        return Error(Errc::kNewerFormat,
                     "extent header: written by a newer version of reelfs; upgrade to read it");
    ExtentHeader header;
    header.shape.cipher = std::to_integer<std::uint8_t>(bytes[10]);
    header.shape.block_shift = std::to_integer<std::uint8_t>(bytes[11]);
    header.shape.key = KeyId(load_le<std::uint32_t>(bytes.data() + 12));
    header.shape.container = ContainerId(load_le<std::uint64_t>(bytes.data() + 16));
    header.shape.extent = ExtentId(load_le<std::uint64_t>(bytes.data() + 24));
    std::memcpy(header.shape.salt.data(), bytes.data() + 32, header.shape.salt.size());
    header.block_count = load_le<std::uint32_t>(bytes.data() + 56);
    header.body_checksum = load_le<std::uint64_t>(bytes.data() + 64);
    const unsigned shift = header.shape.block_shift;
    if (header.shape.cipher != kAes256Gcm || shift < limits::block_shift_min ||
        shift > limits::block_shift_max || header.block_count == 0 ||
        header.block_count > limits::extent_bytes_max >> shift)
        return Error(Errc::kCorrupt, "extent header: values out of range");
    return header;
}

Result<std::pair<ExtentOrigin, std::uint32_t>> open_origin(const crypto::SecretKey& container_key,
                                                           Bytes bytes) {
    RF_TRY(ExtentHeader header, decode_header(bytes));
    crypto::AeadKey key(subkey(container_key, header.shape.salt));
    std::array<std::byte, 24> plain{};
    if (!key.open(nonce_of(kOriginBlock), associated_data(header.shape, kOriginBlock, 0),
                  bytes.subspan(72, 24), bytes.subspan(96, 16), plain))
        return corrupt(header.shape, "its header is damaged");
    const auto length = load_le<std::uint32_t>(plain.data() + 16);
    if (ExtentLayout(length, header.shape.block_shift).block_count() != header.block_count)
        return corrupt(header.shape, "its header contradicts itself");
    return std::pair(ExtentOrigin{NodeId(load_le<std::uint64_t>(plain.data())),
                                  load_le<std::uint64_t>(plain.data() + 8)},
                     length);
}

Result<void> verify_checksums(Bytes sealed) {
    RF_TRY(ExtentHeader header, decode_header(sealed));
    if (checksum(sealed.subspan(kHeaderBytes)) != header.body_checksum)
        return corrupt(header.shape, "its checksum does not match");
    return done();
}

Result<void> verify_extent(const crypto::SecretKey& container_key, const ExtentShape& shape,
                           Bytes sealed) {
    RF_TRY(ExtentHeader header, decode_header(sealed));
    ExtentShape expected = shape;
    expected.plain_bytes = 0;
    const ExtentLayout layout(shape);
    if (header.shape != expected || sealed.size() != layout.total_length())
        return corrupt(shape, "another extent stands in its place");
    ExtentOpener opener(container_key, shape);
    Buffer scratch(layout.block_bytes());
    for (std::uint32_t i = 0; i < layout.block_count(); ++i) {
        const BlockIndex block(i);
        const std::uint32_t length = layout.sealed_length(block);
        RF_CHECK(opener.open_block(
            block, sealed.subspan(layout.tags_offset() + i * crypto::kTagBytes, crypto::kTagBytes),
            sealed.subspan(layout.sealed_start(block), length), scratch.span().first(length)));
    }
    return done();
}

}  // namespace reelfs::content
