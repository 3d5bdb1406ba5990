#include "reelfs/crypto/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "crypto/seeded_random.h"
#include "reelfs/crypto/random.h"

namespace reelfs::crypto {
namespace {

std::vector<std::byte> counting_key() {
    std::vector<std::byte> key(kKeyBytes);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i);
    return key;
}

TEST(Secret, DeriveIsKeyedBlake2bOverLabelLengthLabelAndContext) {
    // python3: blake2b(b"\x04page" + b"context", key=bytes(range(32)), digest_size=32)
    const SecretKey key = SecretKey::from(counting_key());
    EXPECT_EQ(to_hex(derive(key, "page", bytes_of("context")).view()),
              "d3f2cb8121af4e9b4369d9ff15a18683ffdf2553b7a3b850dc8370c61680c273");
}

TEST(Secret, LabelAndContextDoNotRunIntoEachOther) {
    const SecretKey key = SecretKey::from(counting_key());
    EXPECT_NE(to_hex(derive(key, "pag", bytes_of("econtext")).view()),
              to_hex(derive(key, "page", bytes_of("context")).view()));
}

TEST(Secret, CloneIsEqualAndIndependent) {
    SecretKey key = SecretKey::from(counting_key());
    const SecretKey copy = key.clone();
    EXPECT_NE(key.view().data(), copy.view().data());
    SystemRandom random;
    key = SecretKey::random(random);
    EXPECT_EQ(to_hex(copy.view()), to_hex(counting_key()));
}

TEST(Secret, MemoryOfADroppedKeyIsWipedAndUsedAgain) {
    const std::byte* memory = nullptr;
    {
        const SecretKey key = SecretKey::from(counting_key());
        memory = key.view().data();
    }
    // The pool hands out the cell that came back last; it stays mapped for good.
    EXPECT_TRUE(
        std::all_of(memory, memory + kKeyBytes, [](std::byte b) { return b == std::byte{}; }));
    const SecretKey next = SecretKey::from(counting_key());
    EXPECT_EQ(next.view().data(), memory);
}

TEST(Secret, TenThousandKeysLiveAtOnceWithoutMixing) {
    SystemRandom random;
    std::vector<SecretKey> keys;
    std::vector<std::string> expected;
    for (int i = 0; i < 10'000; ++i) {
        keys.push_back(SecretKey::random(random));
        expected.push_back(to_hex(keys.back().view()));
    }
    for (std::size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(to_hex(keys[i].view()), expected[i]);
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(std::unique(expected.begin(), expected.end()), expected.end());
}

TEST(Secret, ThreadsMakeAndDropKeysAtOnce) {
    const SecretKey key = SecretKey::from(counting_key());
    const std::string expected = to_hex(derive(key, "page", bytes_of("context")).view());
    std::vector<std::jthread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i)
                if (to_hex(derive(key, "page", bytes_of("context")).view()) != expected) ++wrong;
        });
    }
    threads.clear();
    EXPECT_EQ(wrong, 0);
}

TEST(SecretDeathTest, AKeyOfAnotherLengthStopsTheProcess) {
    EXPECT_DEATH(static_cast<void>(SecretKey::from(bytes_of("short"))), "not 32 bytes");
}

TEST(Random, InitializeMayBeCalledAgainAndFromManyThreads) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([] { initialize(); });
    threads.clear();
    initialize();
    SystemRandom random;
    EXPECT_NE(random.integer<std::uint64_t>(), random.integer<std::uint64_t>());
}

TEST(Random, WipedMemoryIsZero) {
    std::vector<std::byte> memory = counting_key();
    wipe(memory);
    EXPECT_EQ(memory, std::vector<std::byte>(kKeyBytes));
}

TEST(Random, ConstantTimeComparisonAgreesWithEquality) {
    EXPECT_TRUE(equal_in_constant_time(bytes_of("abc"), bytes_of("abc")));
    EXPECT_FALSE(equal_in_constant_time(bytes_of("abc"), bytes_of("abd")));
    EXPECT_FALSE(equal_in_constant_time(bytes_of("abc"), bytes_of("ab")));
    EXPECT_TRUE(equal_in_constant_time({}, {}));
}

}  // namespace
}  // namespace reelfs::crypto
