// The worked example of an extent in man/reelfs-format.5 is read from the page and decoded by the
// page's table alone, with OpenSSL: what the page says is what the code does, and every later build
// opens it.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include "crypto/example_keyring.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/crypto/random.h"
#include "reelfs/crypto/secret.h"
#include "support/manual_page.h"

namespace reelfs::content {
namespace {

using Block = std::vector<std::byte>;
constexpr std::string_view kPlain = "reelfs example extent";

Block example() {
    const auto dumps = test::dumps_under("reelfs-format.5", "PACKS AND EXTENTS");
    EXPECT_EQ(dumps.size(), 1u);
    return dumps.empty() ? Block() : dumps[0];
}

/// Key 1 of container 7 in the example of the keyring: 48 to 67.
crypto::SecretKey container_key() {
    Block key(32);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(0x48 + i);
    return crypto::SecretKey::from(key);
}

const unsigned char* raw(Bytes bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// AES-256-GCM with the nonce and associated data of the page for block `number`.
std::optional<Block> open_unit(const Block& extent, std::uint32_t number, std::uint32_t plain_bytes,
                               Bytes sealed, Bytes tag) {
    const crypto::SecretKey key =
        crypto::derive(container_key(), "extent", Bytes(extent).subspan(32, 24));
    Block nonce(12);
    store_le(nonce.data(), number);
    Block associated(40);
    std::memcpy(associated.data(), "RFSB", 4);
    std::memcpy(&associated[4], &extent[8], 2);    // version
    std::memcpy(&associated[6], &extent[10], 2);   // cipher, block size
    std::memcpy(&associated[8], &extent[16], 8);   // container
    std::memcpy(&associated[16], &extent[12], 4);  // key
    std::memcpy(&associated[20], &extent[24], 8);  // extent
    store_le(&associated[28], number);
    store_le(&associated[32], plain_bytes);
    Block plain(sealed.size());
    Block tag_copy = copy_of(tag);
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok =
        EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nullptr, raw(key.view()), raw(nonce)) == 1 &&
        EVP_DecryptUpdate(context, nullptr, &n, raw(associated), 40) == 1 &&
        EVP_DecryptUpdate(context, reinterpret_cast<unsigned char*>(plain.data()), &n, raw(sealed),
                          static_cast<int>(sealed.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, 16, tag_copy.data()) == 1;
    ok = ok && EVP_DecryptFinal_ex(context, nullptr, &n) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!ok) return std::nullopt;
    return plain;
}

TEST(ExtentExample, IsWhatThisBuildWrites) {
    crypto::initialize();
    crypto::CountingRandom random;
    const SealedExtent sealed =
        seal_extent(container_key(), {ExtentId(3), ContainerId(7), KeyId(1), 12},
                    {NodeId(9), 65'536}, bytes_of(kPlain), random);
    EXPECT_EQ(to_hex(sealed.bytes.span()), to_hex(example()));
}

TEST(ExtentExample, DecodesByTheTableOfThePageAlone) {
    crypto::initialize();
    const Block extent = example();
    ASSERT_EQ(extent.size(), 448u);
    EXPECT_EQ(text_of(Bytes(extent).first(8)), "RFSEXT01");
    EXPECT_EQ(load_le<std::uint32_t>(&extent[56]), 1u);
    EXPECT_EQ(load_le<std::uint64_t>(&extent[120]), XXH3_64bits(extent.data(), 120));
    EXPECT_EQ(load_le<std::uint64_t>(&extent[64]), XXH3_64bits(&extent[128], extent.size() - 128));
    const auto origin = open_unit(extent, 0xFFFFFFFF, 0, Bytes(extent).subspan(72, 24),
                                  Bytes(extent).subspan(96, 16));
    ASSERT_TRUE(origin);
    EXPECT_EQ(load_le<std::uint64_t>(origin->data()), 9u);
    EXPECT_EQ(load_le<std::uint64_t>(origin->data() + 8), 65'536u);
    EXPECT_EQ(load_le<std::uint32_t>(origin->data() + 16), kPlain.size());
    auto block = open_unit(extent, 0, static_cast<std::uint32_t>(kPlain.size()),
                           Bytes(extent).subspan(192, 256), Bytes(extent).subspan(128, 16));
    ASSERT_TRUE(block);
    EXPECT_EQ(text_of(Bytes(*block).first(kPlain.size())), kPlain);
    for (std::size_t i = kPlain.size(); i < block->size(); ++i) EXPECT_EQ((*block)[i], std::byte{});
}

TEST(ExtentExample, OpensWithThisBuild) {
    crypto::initialize();
    const Block extent = example();
    auto header = decode_header(Bytes(extent).first(kHeaderBytes));
    ASSERT_TRUE(header.ok());
    header->shape.plain_bytes = static_cast<std::uint32_t>(kPlain.size());
    EXPECT_TRUE(verify_extent(container_key(), header->shape, extent).ok());
}

}  // namespace
}  // namespace reelfs::content
