#include "app/text.h"

#include <gtest/gtest.h>

namespace reelfs::app {
namespace {

TEST(Text, SizesAreBinaryMultiples) {
    EXPECT_EQ(*parse_size("0"), 0u);
    EXPECT_EQ(*parse_size("4096"), 4096u);
    EXPECT_EQ(*parse_size("4k"), 4096u);
    EXPECT_EQ(*parse_size("64KiB"), 65536u);
    EXPECT_EQ(*parse_size("2M"), 2u << 20);
    EXPECT_EQ(*parse_size("3G"), 3ull << 30);
}

TEST(Text, WhatIsNoSizeIsRefused) {
    for (const char* bad :
         {"", "k", "-1", "4 K", "4X", "4KK", "0x10", "18446744073709551616", "17179869184G"})
        EXPECT_FALSE(parse_size(bad).ok()) << bad;
}

TEST(Text, ABlockSizeIsAPowerOfTwoFrom4KTo1M) {
    EXPECT_EQ(*parse_block_size("4K"), 4096u);
    EXPECT_EQ(*parse_block_size("16384"), 16384u);
    EXPECT_EQ(*parse_block_size("1M"), 1u << 20);
    for (const char* bad : {"0", "2K", "5000", "12K", "2M", "many"})
        EXPECT_FALSE(parse_block_size(bad).ok()) << bad;
}

TEST(Text, AModeIsOctal) {
    EXPECT_EQ(*parse_mode("0755"), 0755u);
    EXPECT_EQ(*parse_mode("7777"), 07777u);
    for (const char* bad : {"", "8", "rwx", "10000", "755 "}) EXPECT_FALSE(parse_mode(bad).ok());
}

TEST(Text, ALifetimeHasAUnitOrIsEndless) {
    EXPECT_EQ(*parse_lifetime("90s"), 90u);
    EXPECT_EQ(*parse_lifetime("45m"), 2'700u);
    EXPECT_EQ(*parse_lifetime("12h"), 43'200u);
    EXPECT_EQ(*parse_lifetime("7d"), 604'800u);
    EXPECT_EQ(*parse_lifetime("never"), 0u);
    for (const char* bad : {"", "0s", "5", "5w", "-1h", "h", "99999999999d", "1h "})
        EXPECT_FALSE(parse_lifetime(bad).ok()) << bad;
}

TEST(Text, TimesAndSizesReadWell) {
    EXPECT_EQ(format_time(Timestamp::from_seconds(1'000'000'000)), "2001-09-09T01:46:40Z");
    EXPECT_EQ(format_time(Timestamp::from_seconds(-1)), "1969-12-31T23:59:59Z");
    EXPECT_EQ(format_size(1023), "1023 B");
    EXPECT_EQ(format_size(1536), "1.5 KiB");
    EXPECT_EQ(format_size(5ull << 40), "5.0 TiB");
}

}  // namespace
}  // namespace reelfs::app
