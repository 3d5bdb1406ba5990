#include "http/range.h"

#include <gtest/gtest.h>

#include <string>

#include "reelfs/model/limits.h"

namespace reelfs::http {
namespace {

using Kind = RangeAnswer::Kind;
using Growing = GrowingRangeAnswer;

std::string described(const RangeAnswer& answer) {
    if (answer.kind == Kind::kWhole) return "whole";
    if (answer.kind == Kind::kUnsatisfiable) return "none";
    std::string text;
    for (const ByteRange& range : answer.ranges)
        text += (text.empty() ? "" : ",") + std::to_string(range.first) + "-" +
                std::to_string(range.last);
    return text;
}
std::string of_ten(std::string_view header) {
    return described(answer_range(header, 10));
}

TEST(Range, EverySimpleRangeOverEverySmallLength) {
    for (std::uint64_t length = 0; length <= 6; ++length) {
        for (std::uint64_t a = 0; a <= 8; ++a) {
            const std::string from = "bytes=" + std::to_string(a) + "-";
            const std::string open =
                a < length ? std::to_string(a) + "-" + std::to_string(length - 1) : "none";
            EXPECT_EQ(described(answer_range(from, length)), open);
            for (std::uint64_t b = 0; b <= 8; ++b) {
                const std::string closed =
                    b < a ? "whole"
                    : a >= length
                        ? "none"
                        : std::to_string(a) + "-" + std::to_string(std::min(b, length - 1));
                EXPECT_EQ(described(answer_range(from + std::to_string(b), length)), closed);
            }
            const std::string suffix = a == 0 || length == 0
                                           ? "none"
                                           : std::to_string(length - std::min(a, length)) + "-" +
                                                 std::to_string(length - 1);
            EXPECT_EQ(described(answer_range("bytes=-" + std::to_string(a), length)), suffix);
        }
    }
}

TEST(Range, WhatIsNoRangeSetOfBytesIsIgnored) {
    for (const char* header :
         {"",           "bytes",      "bytes=",      "bytes=,",       "bytes=-",
          "bytes=a-b",  "bytes=1",    "bytes=1-2-3", "bytes=--1",     "bytes=1--2",
          "bytes =1-2", "bytes= - ",  "bytes=+1-2",  "bytes=0x1-2",   "bytes=1-2;",
          "items=1-2",  "bytes=1 -2", "bytes=1-2,x", "bytes=2-1,0-1", "1-2",
          "bytes:1-2"})
        EXPECT_EQ(of_ten(header), "whole") << header;
    EXPECT_EQ(of_ten("BYTES=1-2"), "1-2");
    EXPECT_EQ(of_ten("bytes= 1-2 ,\t3-3"), "1-3");
    EXPECT_EQ(of_ten("bytes=,,1-2,,"), "1-2");
}

TEST(Range, NumbersBeyond64BitsAreBeyondEveryLength) {
    EXPECT_EQ(of_ten("bytes=1-99999999999999999999999999"), "1-9");
    EXPECT_EQ(of_ten("bytes=99999999999999999999999999-"), "none");
    EXPECT_EQ(of_ten("bytes=-99999999999999999999999999"), "0-9");
    EXPECT_EQ(described(answer_range("bytes=0-18446744073709551615", UINT64_MAX)),
              "0-18446744073709551614");
}

TEST(Range, SeveralKeepTheirOrderAndTheUnsatisfiableOnesFallOut) {
    EXPECT_EQ(of_ten("bytes=7-8,0-1"), "7-8,0-1");
    EXPECT_EQ(of_ten("bytes=0-1,20-30,-1"), "0-1,9-9");
    EXPECT_EQ(of_ten("bytes=10-,20-30,-0"), "none");
}

TEST(Range, OverlappingAndTouchingOnesBecomeOneWhereTheFirstStood) {
    EXPECT_EQ(of_ten("bytes=0-3,2-5"), "0-5");
    EXPECT_EQ(of_ten("bytes=0-3,4-5"), "0-5");
    EXPECT_EQ(of_ten("bytes=0-3,5-6"), "0-3,5-6");
    EXPECT_EQ(of_ten("bytes=8-9,0-0,2-2,1-1"), "8-9,0-2");
    EXPECT_EQ(of_ten("bytes=0-1,4-5,8-9,0-9"), "0-9");
    EXPECT_EQ(of_ten("bytes=4-5,4-5"), "4-5");
}

TEST(Range, CoalescingCoversExactlyTheBytesAskedForInEveryTripleOfASmallObject) {
    constexpr unsigned kLength = 5;
    std::vector<ByteRange> all;
    for (unsigned a = 0; a < kLength; ++a)
        for (unsigned b = a; b < kLength; ++b) all.push_back({a, b});
    for (const ByteRange& x : all) {
        for (const ByteRange& y : all) {
            for (const ByteRange& z : all) {
                std::string header = "bytes=";
                unsigned wanted = 0, got = 0;
                for (const ByteRange& range : {x, y, z}) {
                    header += std::to_string(range.first) + "-" + std::to_string(range.last) + ",";
                    for (auto i = range.first; i <= range.last; ++i) wanted |= 1u << i;
                }
                const RangeAnswer answer = answer_range(header, kLength);
                ASSERT_EQ(answer.kind, Kind::kRanges);
                for (const ByteRange& range : answer.ranges)
                    for (auto i = range.first; i <= range.last; ++i) {
                        ASSERT_EQ(got & 1u << i, 0u) << "a byte twice: " << header;
                        got |= 1u << i;
                    }
                ASSERT_EQ(got, wanted) << header;
            }
        }
    }
}

TEST(Range, MoreThanSixteenAfterCoalescingAreIgnoredAndSixteenAreNot) {
    const auto header_of = [](std::size_t count) {
        std::string header = "bytes=";
        for (std::size_t i = 0; i < count; ++i)
            header += std::to_string(i * 2) + "-" + std::to_string(i * 2) + ",";
        return header;
    };
    EXPECT_EQ(answer_range(header_of(limits::http_ranges_max), 1000).ranges.size(), 16u);
    EXPECT_EQ(answer_range(header_of(limits::http_ranges_max + 1), 1000).kind, Kind::kWhole);
    EXPECT_EQ(answer_range(header_of(100'000), 1'000'000).kind, Kind::kWhole);
    std::string touching = "bytes=";
    for (int i = 0; i < 100; ++i) touching += std::to_string(i) + "-" + std::to_string(i) + ",";
    EXPECT_EQ(described(answer_range(touching, 1000)), "0-99");
}

TEST(RangeWhileGrowing, TheTableOfTheDesign) {
    constexpr std::uint64_t kWritten = 10;
    const auto of = [](std::string_view header) { return answer_growing_range(header, kWritten); };
    const Growing whole{};
    for (const char* header :
         {"", "bytes=0-", "bytes=-5", "bytes=0-1,3-4", "bytes=5-4", "x", "bytes=-0"})
        EXPECT_EQ(of(header), whole) << header;
    EXPECT_EQ(of("bytes=0-0"), (Growing{Growing::Kind::kPart, {0, 0}}));
    EXPECT_EQ(of("bytes=2-9"), (Growing{Growing::Kind::kPart, {2, 9}}));
    EXPECT_EQ(of("bytes=2-10"), (Growing{Growing::Kind::kPart, {2, 9}}));
    EXPECT_EQ(of("bytes=0-100"), (Growing{Growing::Kind::kPart, {0, 9}}));
    EXPECT_EQ(of("bytes=2-"), (Growing{Growing::Kind::kPart, {2, 9}}));
    EXPECT_EQ(of("bytes=10-"), (Growing{Growing::Kind::kUnsatisfiable, {}}));
    EXPECT_EQ(of("bytes=10-11"), (Growing{Growing::Kind::kUnsatisfiable, {}}));
    EXPECT_EQ(of("bytes=11-9223372036854775807"), (Growing{Growing::Kind::kUnsatisfiable, {}}));
    EXPECT_EQ(of("bytes=3-9223372036854775807"),
              (Growing{Growing::Kind::kFollowFrom, {3, 9223372036854775807}}));
    EXPECT_EQ(of("bytes=0-1099511627777"),
              (Growing{Growing::Kind::kFollowFrom, {0, 1099511627777}}));
    EXPECT_EQ(of("bytes=0-1099511627776"), (Growing{Growing::Kind::kPart, {0, 9}}));
}

TEST(RangeWhileGrowing, OfAnEmptyFileOnlyTheWholeCanBeFollowed) {
    EXPECT_EQ(answer_growing_range("bytes=0-", 0), Growing{});
    EXPECT_EQ(answer_growing_range("", 0), Growing{});
    EXPECT_EQ(answer_growing_range("bytes=0-5", 0).kind, Growing::Kind::kUnsatisfiable);
}

}  // namespace
}  // namespace reelfs::http
