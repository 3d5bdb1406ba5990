#include "reelfs/crypto/aead.h"

#include <gtest/gtest.h>

#include "crypto/seeded_random.h"

namespace reelfs::crypto {
namespace {

using Provider = AeadKey::Provider;

Nonce nonce_of(std::string_view hex) {
    Nonce nonce{};
    const auto bytes = from_hex(hex).value();
    std::copy(bytes.begin(), bytes.end(), nonce.begin());
    return nonce;
}

std::string provider_name(const ::testing::TestParamInfo<Provider>& info) {
    return info.param == Provider::kSodium ? "Sodium" : "Openssl";
}

struct Vector {
    std::string_view key, nonce, associated, plain, cipher, tag;
};

// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16.
constexpr std::string_view kZeroKey =
    "0000000000000000000000000000000000000000000000000000000000000000";
constexpr std::string_view kKey =
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr std::string_view kPlain =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b5"
    "25b16aedf5aa0de657ba637b391aafd255";
constexpr std::string_view kCipher =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10568288"
    "38c5f61e6393ba7a0abcc9f662898015ad";
constexpr Vector kVectors[] = {
    {kZeroKey, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeroKey, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey, "cafebabefacedbaddecaf888", "", kPlain, kCipher, "b094dac5d93471bdec1a502270e3cc6c"},
    {kKey, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     kPlain.substr(0, 120), kCipher.substr(0, 120), "76fc6ece0f4e1768cddf8853bb2d551b"},
};

struct Sealed {
    std::vector<std::byte> cipher;
    std::array<std::byte, kTagBytes> tag{};
    bool operator==(const Sealed&) const = default;
};

Sealed seal(AeadKey& key, const Nonce& nonce, Bytes associated, Bytes plain) {
    Sealed sealed{.cipher = std::vector<std::byte>(plain.size())};
    key.seal(nonce, associated, plain, sealed.cipher, sealed.tag);
    return sealed;
}

class AeadOf : public ::testing::TestWithParam<Provider> {};
INSTANTIATE_TEST_SUITE_P(Providers, AeadOf,
                         ::testing::Values(Provider::kSodium, Provider::kOpenssl), provider_name);

TEST_P(AeadOf, GivesThePublishedVectors) {
    for (const Vector& vector : kVectors) {
        AeadKey key(SecretKey::from(from_hex(vector.key).value()), GetParam());
        const Nonce nonce = nonce_of(vector.nonce);
        const auto associated = from_hex(vector.associated).value();
        const auto plain = from_hex(vector.plain).value();
        const Sealed sealed = seal(key, nonce, associated, plain);
        EXPECT_EQ(to_hex(sealed.cipher), vector.cipher);
        EXPECT_EQ(to_hex(sealed.tag), vector.tag);
        std::vector<std::byte> opened(plain.size());
        EXPECT_TRUE(key.open(nonce, associated, sealed.cipher, sealed.tag, opened));
        EXPECT_EQ(opened, plain);
    }
}

TEST_P(AeadOf, RefusesAChangeOfAnyByteOfAnyPartAndWipesTheOutput) {
    SeededRandom random(test_seed());
    AeadKey key(SecretKey::random(random), GetParam());
    Nonce nonce;
    random.fill(nonce);
    auto associated = random.bytes(40);
    const auto plain = random.bytes(100);
    Sealed sealed = seal(key, nonce, associated, plain);

    auto refused = [&] {
        std::vector<std::byte> opened(plain.size(), std::byte{0x55});
        return !key.open(nonce, associated, sealed.cipher, sealed.tag, opened) &&
               opened == std::vector<std::byte>(plain.size());
    };
    auto each_byte_counts = [&](MutableBytes part, const char* name) {
        for (std::size_t i = 0; i < part.size(); ++i) {
            part[i] ^= std::byte{1};
            EXPECT_TRUE(refused()) << name << " byte " << i;
            part[i] ^= std::byte{1};
        }
    };
    each_byte_counts(nonce, "nonce");
    each_byte_counts(associated, "associated data");
    each_byte_counts(sealed.cipher, "ciphertext");
    each_byte_counts(sealed.tag, "tag");
    associated.pop_back();
    EXPECT_TRUE(refused());
}

TEST_P(AeadOf, WorksInPlaceAndAfterRefusals) {
    SeededRandom random(test_seed());
    AeadKey key(SecretKey::random(random), GetParam());
    const auto plain = random.bytes(4096);
    std::array<std::byte, kTagBytes> tag;
    for (std::uint8_t round = 0; round < 20; ++round) {
        Nonce nonce{};
        nonce[0] = std::byte{round};
        auto bytes = plain;
        key.seal(nonce, {}, bytes, bytes, tag);
        EXPECT_NE(bytes, plain);
        if (round % 3 == 0) {
            auto damaged = bytes;
            damaged[7] ^= std::byte{0x80};
            EXPECT_FALSE(key.open(nonce, {}, damaged, tag, damaged));
            EXPECT_EQ(damaged, std::vector<std::byte>(plain.size()));
        }
        EXPECT_TRUE(key.open(nonce, {}, bytes, tag, bytes));
        EXPECT_EQ(bytes, plain);
    }
}

TEST_P(AeadOf, KeepsItsKeyWhenMovedAndWhenTheSecretIsGone) {
    SeededRandom random(test_seed());
    const auto plain = random.bytes(64);
    auto secret = std::make_unique<SecretKey>(SecretKey::random(random));
    AeadKey key(*secret, GetParam());
    const Sealed before = seal(key, Nonce{}, {}, plain);
    secret.reset();
    AeadKey moved = std::move(key);
    EXPECT_EQ(seal(moved, Nonce{}, {}, plain), before);
}

TEST(Aead, BothProvidersGiveTheSameBytesForEverySmallSizeAndManyRandomOnes) {
    SeededRandom random(test_seed());
    for (std::size_t i = 0; i < 600; ++i) {
        const SecretKey secret = SecretKey::random(random);
        AeadKey sodium(secret, Provider::kSodium), openssl(secret, Provider::kOpenssl);
        Nonce nonce;
        random.fill(nonce);
        const auto associated = random.bytes(random.below(70));
        const auto plain = random.bytes(i < 300 ? i : random.below(70'000));
        const Sealed sealed = seal(sodium, nonce, associated, plain);
        ASSERT_EQ(seal(openssl, nonce, associated, plain), sealed) << plain.size() << " bytes";
        std::vector<std::byte> opened(plain.size());
        ASSERT_TRUE(openssl.open(nonce, associated, sealed.cipher, sealed.tag, opened));
        ASSERT_EQ(opened, plain);
    }
}

TEST(Aead, TheFastestProviderIsOneOfTheTwo) {
    EXPECT_NE(fastest_provider(), Provider::kFastest);
}

TEST(AeadDeathTest, SizesThatDoNotFitStopTheProcess) {
    SeededRandom random(1);
    AeadKey key(SecretKey::random(random));
    std::vector<std::byte> plain(16), cipher(15), tag(16);
    EXPECT_DEATH(key.seal(Nonce{}, {}, plain, cipher, tag), "sizes that do not fit");
}

}  // namespace
}  // namespace reelfs::crypto
