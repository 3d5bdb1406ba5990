#include "reelfs/crypto/wrap.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/seeded_random.h"

namespace reelfs::crypto {
namespace {

TEST(Wrap, OpensUnderItsKeyAndNameOnly) {
    SeededRandom random(11);
    const SecretKey key = SecretKey::random(random);
    const auto wrapped = wrap(key, bytes_of("id"), "a secret", random);
    EXPECT_EQ(wrapped.size(), 24u + 8 + 16);
    const auto opened = unwrap(key, bytes_of("id"), wrapped);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->view(), "a secret");
    EXPECT_FALSE(unwrap(key, bytes_of("ie"), wrapped));
    EXPECT_FALSE(unwrap(SecretKey::random(random), bytes_of("id"), wrapped));
    for (std::size_t i = 0; i < wrapped.size(); ++i) {
        auto damaged = wrapped;
        damaged[i] ^= std::byte{1};
        EXPECT_FALSE(unwrap(key, bytes_of("id"), damaged)) << i;
        EXPECT_FALSE(unwrap(key, bytes_of("id"), Bytes(wrapped).first(i))) << i;
    }
}

TEST(Wrap, TheSameSecretNeverLooksTheSame) {
    SeededRandom random(11);
    const SecretKey key = SecretKey::random(random);
    EXPECT_NE(wrap(key, {}, "a secret", random), wrap(key, {}, "a secret", random));
}

TEST(SecretText, MovesAndLeavesNothingBehind) {
    SeededRandom random(11);
    SecretText text = random_text(40, random);
    const std::string copy(text.view());
    SecretText moved = std::move(text);
    EXPECT_EQ(moved.view(), copy);
    EXPECT_TRUE(text.view().empty());  // NOLINT: that is the point
}

TEST(RandomText, UsesAllLetters) {
    SeededRandom random(11);
    const SecretText text = random_text(20'000, random);
    const std::set<char> letters(text.view().begin(), text.view().end());
    EXPECT_EQ(letters.size(), 62u);
}

}  // namespace
}  // namespace reelfs::crypto
