#include "reelfs/policy/path_pattern.h"

#include <gtest/gtest.h>

namespace reelfs::policy {
namespace {

bool prefix(std::string text, std::string_view path) {
    return PathPattern{PathPattern::Kind::kPrefix, std::move(text)}.matches(path);
}
bool wildcard(std::string text, std::string_view path) {
    return PathPattern{PathPattern::Kind::kWildcard, std::move(text)}.matches(path);
}

TEST(PathPattern, APrefixIsAPlainPrefixOfThePath) {
    EXPECT_TRUE(prefix("", "anything/at/all"));
    EXPECT_TRUE(prefix("Football/", "Football/1.ts"));
    EXPECT_FALSE(prefix("Football/", "Football"));
    EXPECT_TRUE(prefix("April", "April/1.ts"));
    EXPECT_TRUE(prefix("April", "April2/1.ts"));
    EXPECT_FALSE(prefix("April", "Apri"));
    EXPECT_FALSE(prefix("*", "a")) << "a star means nothing here";
}

TEST(PathPattern, AWildcardIsTheWholePathAndItsStarCrossesFolders) {
    EXPECT_TRUE(wildcard("*", "a"));
    EXPECT_TRUE(wildcard("*", "a/b/c.ts"));
    EXPECT_TRUE(wildcard("live/*.ts", "live/deep/1.ts"));
    EXPECT_TRUE(wildcard("*/index*.m3u8", "a/b/index_1.m3u8"));
    EXPECT_TRUE(wildcard("a*b*c", "aXbYbZc"));
    EXPECT_TRUE(wildcard("a*", "a"));
    EXPECT_FALSE(wildcard("live/*.ts", "live/1.ts.tmp"));
    EXPECT_FALSE(wildcard("live/*.ts", "dead/1.ts"));
    EXPECT_FALSE(wildcard("a?c", "abc")) << "a question mark is itself";
    EXPECT_TRUE(wildcard("a?c", "a?c"));
    EXPECT_FALSE(wildcard("", "a"));
    EXPECT_TRUE(wildcard("", ""));
}

TEST(PathPattern, AHostileWildcardTakesNoExponentialTime) {
    std::string pattern;
    for (int i = 0; i < 100; ++i) pattern += "*a";
    EXPECT_FALSE(wildcard(pattern + "b", std::string(900, 'a')));
}

TEST(PathPattern, APathIsItsNamesWithSlashesBetween) {
    EXPECT_EQ(joined_path({}), "");
    EXPECT_EQ(joined_path({"a"}), "a");
    EXPECT_EQ(joined_path({"a", "b c", "d"}), "a/b c/d");
}

}  // namespace
}  // namespace reelfs::policy
