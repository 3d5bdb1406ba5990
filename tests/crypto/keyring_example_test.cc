// The worked example of man/reelfs-format.5 is read from the page itself and decoded by the page's
// tables alone: what the page says is what the code does, and every later build opens it.
#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>

#include "crypto/example_keyring.h"
#include "crypto/recovery_key.h"
#include "reelfs/crypto/random.h"
#include "support/manual_page.h"

namespace reelfs::crypto {
namespace {

using Block = std::vector<std::byte>;

const unsigned char* raw(Bytes bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::vector<Block> dumps_under_keyring() {
    return test::dumps_under("reelfs-format.5", "KEYRING");
}

Block slice(const Block& from, std::size_t offset, std::size_t size) {
    return copy_of(Bytes(from).subspan(offset, size));
}

Block blake2b(Bytes content) {
    Block hash(32);
    crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), 32, raw(content),
                       content.size(), nullptr, 0);
    return hash;
}

std::optional<Block> open_sealed(Bytes key, Bytes nonce, Bytes associated, Bytes sealed) {
    Block plain(sealed.size() - 16);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            reinterpret_cast<unsigned char*>(plain.data()), nullptr, nullptr, raw(sealed),
            sealed.size(), raw(associated), associated.size(), raw(nonce), raw(key)) != 0)
        return std::nullopt;
    return plain;
}

TEST(KeyringExample, ThePageHoldsTheFileAndItsBody) {
    const auto dumps = dumps_under_keyring();
    ASSERT_EQ(dumps.size(), 2u);
    EXPECT_EQ(dumps[0].size(), 1264u);
    EXPECT_EQ(dumps[1].size(), 256u);
}

TEST(KeyringExample, IsWhatThisBuildWrites) {
    CountingRandom random;
    EXPECT_EQ(to_hex(example_keyring(random).encode().value()),
              to_hex(dumps_under_keyring().at(0)));
}

TEST(KeyringExample, OpensToWhatThePageSays) {
    const auto opened = Keyring::open(dumps_under_keyring().at(0), example_key_file());
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_EQ(opened->store_id().hex(), "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    EXPECT_EQ(opened->generation(), 1u);
    EXPECT_EQ(opened->zones(), (std::vector<Zone>{{ZoneId{0}, ""}, {ZoneId{1}, "/srv/disk2"}}));
    ASSERT_EQ(opened->containers(), std::vector<ContainerId>{ContainerId{7}});
    EXPECT_EQ(to_hex(opened->container_key(ContainerId{7}, KeyId{1})->view()),
              "48494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f6061626364656667");
}

TEST(KeyringExample, DecodesByTheTablesOfThePageAlone) {
    initialize();
    const auto dumps = dumps_under_keyring();
    const Block& file = dumps.at(0);
    const Block store = slice(file, 16, 16), slot = slice(file, 64, 112);
    EXPECT_EQ(blake2b(Bytes(file).first(file.size() - 32)), slice(file, file.size() - 32, 32));

    const SecretKey content = SecretKey::from(blake2b(example_key_file().content));
    const SecretKey wrapping = derive(content, "key file", Bytes(slot).subspan(24, 16));
    Block associated = slice(file, 0, 10);
    associated.resize(16);
    associated.insert(associated.end(), store.begin(), store.end());
    associated.insert(associated.end(), slot.begin(), slot.begin() + 64);
    const auto root = open_sealed(wrapping.view(), Bytes(slot).subspan(40, 24), associated,
                                  Bytes(slot).subspan(64, 48));
    ASSERT_TRUE(root);
    EXPECT_EQ(to_hex(*root), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

    const SecretKey body_key = derive(SecretKey::from(*root), "keyring body", store);
    const auto n = load_le<std::uint32_t>(file.data() + 12);
    const auto body = open_sealed(body_key.view(), Bytes(file).subspan(40, 24),
                                  Bytes(file).first(960), Bytes(file).subspan(960, n + 16));
    ASSERT_TRUE(body);
    EXPECT_EQ(to_hex(*body), to_hex(dumps.at(1)));
}

TEST(KeyringExample, ThePagePrintsTheRecoveryKeyAsTheCodeDoes) {
    std::array<std::byte, kKeyBytes> bytes;
    CountingRandom random;
    random.fill(bytes);
    const std::string printed = recovery_key_from(SecretKey::from(bytes)).text;
    const auto lines = test::page_lines("reelfs-format.5");
    EXPECT_NE(std::find(lines.begin(), lines.end(), printed), lines.end());
}

}  // namespace
}  // namespace reelfs::crypto
