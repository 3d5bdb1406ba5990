#include "reelfs/crypto/page_seal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "crypto/seeded_random.h"
#include "reelfs/crypto/aead.h"
#include "reelfs/crypto/random.h"

namespace reelfs::crypto {
namespace {

constexpr std::size_t kBody = 4056;
constexpr PagePosition kPage7{PageKind::kDatabase, 7};

std::vector<std::byte> seal(PageSealer& sealer, PagePosition position, std::uint32_t mark,
                            Bytes plain) {
    std::vector<std::byte> sealed(plain.size() + kPageTrailerBytes);
    sealer.seal(position, mark, plain, sealed);
    return sealed;
}

std::string salt_of(Bytes sealed) {
    return to_hex(sealed.last(kPageTrailerBytes).first(8));
}

TEST(PageSeal, OpensWhatItSealedAndReturnsTheMark) {
    SeededRandom random(test_seed());
    PageSealer sealer(SecretKey::random(random), random);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{472}, kBody}) {
        const auto plain = random.bytes(size);
        const auto sealed = seal(sealer, kPage7, 0xABCD'0123, plain);
        std::vector<std::byte> opened(size);
        EXPECT_EQ(sealer.open(kPage7, sealed, opened), 0xABCD'0123u);
        EXPECT_EQ(opened, plain);
    }
}

TEST(PageSeal, AnotherSealerWithTheSameKeyOpensItAndOneWithAnotherKeyDoesNot) {
    SeededRandom random(test_seed());
    const SecretKey key = SecretKey::random(random);
    PageSealer writer(key.clone(), random), reader(key.clone(), random);
    PageSealer stranger(SecretKey::random(random), random);
    const auto plain = random.bytes(kBody);
    const auto sealed = seal(writer, kPage7, 1, plain);
    std::vector<std::byte> opened(kBody);
    EXPECT_TRUE(reader.open(kPage7, sealed, opened));
    EXPECT_EQ(opened, plain);
    EXPECT_FALSE(stranger.open(kPage7, sealed, opened));
    EXPECT_EQ(opened, std::vector<std::byte>(kBody));
}

TEST(PageSeal, BindsKindAndIndex) {
    SeededRandom random(test_seed());
    PageSealer sealer(SecretKey::random(random), random);
    const auto sealed = seal(sealer, kPage7, 1, random.bytes(kBody));
    std::vector<std::byte> opened(kBody);
    EXPECT_FALSE(sealer.open({PageKind::kDatabase, 8}, sealed, opened));
    EXPECT_FALSE(sealer.open({PageKind::kLogFrame, 7}, sealed, opened));
    EXPECT_FALSE(sealer.open({PageKind::kDatabase, 7 + (1ull << 32)}, sealed, opened));
    EXPECT_TRUE(sealer.open(kPage7, sealed, opened));
}

TEST(PageSeal, RefusesAChangeOfAnyByteMarkAndSaltIncluded) {
    SeededRandom random(test_seed());
    PageSealer sealer(SecretKey::random(random), random);
    auto sealed = seal(sealer, kPage7, 1, random.bytes(300));
    std::vector<std::byte> opened(300);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        sealed[i] ^= std::byte{0x10};
        EXPECT_FALSE(sealer.open(kPage7, sealed, opened)) << "byte " << i;
        EXPECT_EQ(opened, std::vector<std::byte>(300));
        sealed[i] ^= std::byte{0x10};
    }
    EXPECT_TRUE(sealer.open(kPage7, sealed, opened));
}

TEST(PageSeal, RefusesSizesThatDoNotFit) {
    SeededRandom random(test_seed());
    PageSealer sealer(SecretKey::random(random), random);
    const auto sealed = seal(sealer, kPage7, 1, random.bytes(300));
    std::vector<std::byte> opened(299);
    EXPECT_FALSE(sealer.open(kPage7, sealed, opened));
    EXPECT_FALSE(sealer.open(kPage7, Bytes(sealed).first(20), opened));
}

TEST(PageSeal, WorksInPlace) {
    SeededRandom random(test_seed());
    PageSealer sealer(SecretKey::random(random), random);
    const auto plain = random.bytes(kBody);
    auto page = plain;
    page.resize(kBody + kPageTrailerBytes);
    sealer.seal(kPage7, 5, Bytes(page).first(kBody), page);
    EXPECT_EQ(sealer.open(kPage7, page, MutableBytes(page).first(kBody)), 5u);
    EXPECT_TRUE(std::equal(plain.begin(), plain.end(), page.begin()));
}

TEST(PageSeal, SealsAsTheFormatSaysSoThatAnotherProgramCanOpenIt) {
    SeededRandom random(test_seed());
    const SecretKey key = SecretKey::random(random);
    PageSealer sealer(key.clone(), random);
    const auto plain = random.bytes(100);
    const auto sealed = seal(sealer, {PageKind::kLogFrame, 0x1122334455667788}, 0xA1B2C3D4, plain);
    const Bytes trailer = Bytes(sealed).last(kPageTrailerBytes);
    Nonce nonce;
    std::copy_n(trailer.begin() + 8, nonce.size(), nonce.begin());
    const auto associated = from_hex("01000200d4c3b2a18877665544332211").value();
    AeadKey aead(derive(key, "page", trailer.first(8)));
    std::vector<std::byte> opened(100);
    EXPECT_TRUE(aead.open(nonce, associated, Bytes(sealed).first(100), trailer.last(16), opened));
    EXPECT_EQ(opened, plain);
}

TEST(PageSeal, DrawsANewSaltWhenTheOldOneIsUsedUpAndStillOpensEveryPage) {
    SeededRandom random(test_seed());
    PageSealer sealer(SecretKey::random(random), random, 3);
    std::vector<std::vector<std::byte>> pages;
    std::set<std::string> salts;
    const auto plain = random.bytes(64);
    for (std::uint64_t i = 0; i < 600; ++i) {  // 200 salts: more than the cache keeps
        pages.push_back(seal(sealer, {PageKind::kDatabase, i}, 0, plain));
        salts.insert(salt_of(pages.back()));
    }
    EXPECT_EQ(salts.size(), 200u);
    std::vector<std::byte> opened(64);
    for (std::uint64_t i = 0; i < 600; ++i) {
        ASSERT_TRUE(sealer.open({PageKind::kDatabase, i}, pages[i], opened));
        ASSERT_EQ(opened, plain);
    }
}

TEST(PageSeal, NeverRepeatsASaltAndNonce) {
    SystemRandom random;
    PageSealer sealer(SecretKey::random(random), random);
    std::set<std::string> seen;
    const std::vector<std::byte> plain(16);
    for (int i = 0; i < 5000; ++i) {
        const auto sealed = seal(sealer, kPage7, 0, plain);
        seen.insert(to_hex(Bytes(sealed).last(kPageTrailerBytes).first(20)));
    }
    EXPECT_EQ(seen.size(), 5000u);
}

TEST(PageSeal, ManyThreadsSealAndOpenAtOnce) {
    SystemRandom random;
    PageSealer sealer(SecretKey::random(random), random, 50);
    std::atomic<int> wrong{0};
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            const std::vector<std::byte> plain(512, static_cast<std::byte>(t));
            std::vector<std::byte> opened(512);
            for (std::uint64_t i = 0; i < 500; ++i) {
                const PagePosition position{PageKind::kLogFrame, t * 1000 + i};
                const auto sealed = seal(sealer, position, static_cast<std::uint32_t>(i), plain);
                if (sealer.open(position, sealed, opened) != i || opened != plain) ++wrong;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace reelfs::crypto
