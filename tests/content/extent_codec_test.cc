// Sealed extents: arithmetic over every small size, tampering with every byte, identity.
#include "reelfs/content/extent_codec.h"

#include <gtest/gtest.h>

#include "reelfs/crypto/random.h"
#include "support/seeded_random.h"

namespace reelfs::content {
namespace {

class ExtentCodec : public ::testing::Test {
  protected:
    ExtentCodec() { crypto::initialize(); }

    SealedExtent seal(Bytes plain, std::uint64_t id = 7) {
        return seal_extent(key_, {ExtentId(id), ContainerId(3), KeyId(1), 12}, {NodeId(9), 4096},
                           plain, random_);
    }
    std::vector<std::byte> noise(std::size_t size) {
        std::vector<std::byte> bytes(size);
        random_.fill(bytes);
        return bytes;
    }

    test::SeededRandom random_;
    crypto::SecretKey key_ = crypto::SecretKey::random(random_);
};

TEST_F(ExtentCodec, EveryLengthUpToThreeBlocksIsLaidOutWithoutGapsOrOverlaps) {
    for (std::uint32_t plain = 1; plain <= 3 * 4096 + 1; ++plain) {
        const ExtentLayout layout(plain, 12);
        ASSERT_EQ(layout.block_count(), (plain + 4095) / 4096);
        ASSERT_GE(layout.body_offset(), layout.tags_offset() + layout.tags_length());
        std::uint64_t at = layout.body_offset(), total = 0;
        for (std::uint32_t i = 0; i < layout.block_count(); ++i) {
            ASSERT_EQ(layout.sealed_start(BlockIndex(i)), at);
            ASSERT_GE(layout.sealed_length(BlockIndex(i)), layout.plain_length(BlockIndex(i)));
            at += layout.sealed_length(BlockIndex(i));
            total += layout.plain_length(BlockIndex(i));
        }
        ASSERT_EQ(total, plain);
        ASSERT_EQ(layout.total_length(), at);
    }
}

TEST_F(ExtentCodec, BlocksOpenToWhatWasSealed) {
    for (std::size_t size : {1u, 255u, 256u, 4095u, 4096u, 4097u, 70'000u, 300'001u}) {
        const auto plain = noise(size);
        const SealedExtent sealed = seal(plain);
        EXPECT_TRUE(verify_extent(key_, sealed.shape, sealed.bytes.span()));
        EXPECT_TRUE(verify_checksums(sealed.bytes.span()));
        ExtentOpener opener(key_, sealed.shape);
        const ExtentLayout& layout = opener.layout();
        std::vector<std::byte> opened(4096);
        for (std::uint32_t i = 0; i < layout.block_count(); ++i) {
            const BlockIndex block(i);
            MutableBytes out = std::span(opened).first(layout.sealed_length(block));
            ASSERT_TRUE(opener.open_block(
                block, sealed.bytes.span().subspan(layout.tags_offset() + i * 16, 16),
                sealed.bytes.span().subspan(layout.sealed_start(block), out.size()), out));
            ASSERT_EQ(std::memcmp(opened.data(), plain.data() + layout.plain_start(block),
                                  layout.plain_length(block)),
                      0);
        }
        const auto origin = open_origin(key_, sealed.bytes.span().first(kHeaderBytes));
        ASSERT_TRUE(origin);
        EXPECT_EQ(origin->first, (ExtentOrigin{NodeId(9), 4096}));
        EXPECT_EQ(origin->second, size);
    }
}

TEST_F(ExtentCodec, AFlippedByteAnywhereThatCountsIsFoundWithAndWithoutTheKey) {
    const SealedExtent sealed = seal(noise(9000));
    const ExtentLayout layout(sealed.shape);
    for (std::size_t at = 0; at < sealed.bytes.size(); ++at) {
        std::vector<std::byte> damaged = copy_of(sealed.bytes.span());
        damaged[at] ^= std::byte{0x40};
        EXPECT_FALSE(verify_checksums(damaged)) << at;
        const bool padding =
            at >= layout.tags_offset() + layout.tags_length() && at < layout.body_offset();
        EXPECT_EQ(verify_extent(key_, sealed.shape, damaged).ok(), padding) << at;
    }
}

TEST_F(ExtentCodec, AnotherExtentInItsPlaceDoesNotOpen) {
    const auto plain = noise(5000);
    const SealedExtent one = seal(plain, 1), two = seal(plain, 2);
    EXPECT_FALSE(verify_extent(key_, one.shape, two.bytes.span()));
    // Blocks of the same extent cannot change places either.
    std::vector<std::byte> swapped = copy_of(one.bytes.span());
    const ExtentLayout layout(one.shape);
    ExtentOpener opener(key_, one.shape);
    std::vector<std::byte> out(4096);
    EXPECT_FALSE(
        opener.open_block(BlockIndex(0), one.bytes.span().subspan(layout.tags_offset() + 16, 16),
                          one.bytes.span().subspan(layout.sealed_start(BlockIndex(0)), 4096), out));
}

TEST_F(ExtentCodec, NoSaltIsUsedTwiceAndNoPlaintextIsStored) {
    const auto plain = std::vector<std::byte>(20'000, std::byte{'A'});
    const SealedExtent one = seal(plain), two = seal(plain);
    EXPECT_NE(one.shape.salt, two.shape.salt);
    EXPECT_EQ(text_of(one.bytes.span()).find("AAAAAAAA"), std::string_view::npos);
    EXPECT_NE(copy_of(one.bytes.span().subspan(4096)), copy_of(two.bytes.span().subspan(4096)));
}

TEST_F(ExtentCodec, HeadersThatAreNotOursAreRefused) {
    EXPECT_FALSE(decode_header(noise(10)));
    EXPECT_FALSE(decode_header(noise(kHeaderBytes)));
}

}  // namespace
}  // namespace reelfs::content
