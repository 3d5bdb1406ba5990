#include "http/conditions.h"

#include <gtest/gtest.h>

#include "http/http_date.h"

namespace reelfs::http {
namespace {

constexpr std::int64_t kModified = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::int64_t kNow = kModified + 1'000;
const std::string kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
const std::string kEarlier = "Sun, 06 Nov 1994 08:49:36 GMT";
const std::string kLater = "Sun, 06 Nov 1994 08:49:38 GMT";
const Validators kCurrent{"abc", kModified};
const Validators kGrowing{"", std::nullopt};

using Fields = std::vector<RequestHead::Field>;

Verdict verdict(Fields fields, const Validators& current = kCurrent) {
    RequestHead head;
    head.fields = std::move(fields);
    return evaluate_conditions(head, current, kNow);
}
bool applies(Fields fields, const Validators& current = kCurrent, std::int64_t now = kNow) {
    RequestHead head;
    head.fields = std::move(fields);
    return range_applies(head, current, now);
}

TEST(Conditions, WithoutAnyTheRequestGoesOn) {
    EXPECT_EQ(verdict({}), Verdict::kProceed);
}

TEST(Conditions, IfNoneMatchTakesTagsQuotedBareWeakAndInLists) {
    for (const char* tags : {"\"abc\"", "abc", "W/\"abc\"", "*", "\"x\", \"abc\"", "x,abc",
                             ", ,\"abc\"", "\"a,b\",\"abc\"", "\"x\"\t, abc"})
        EXPECT_EQ(verdict({{"If-None-Match", tags}}), Verdict::kNotModified) << tags;
    for (const char* tags :
         {"\"x\"", "ABC", "\"abc", "abcd", "", ",", "W/abc x", "\"\"", "\"a,abc\""})
        EXPECT_EQ(verdict({{"If-None-Match", tags}}),
                  std::string(tags) == "\"abc" ? Verdict::kNotModified : Verdict::kProceed)
            << tags;
    EXPECT_EQ(verdict({{"If-None-Match", "x"}, {"If-None-Match", "abc"}}), Verdict::kNotModified);
}

TEST(Conditions, IfMatchComparesStrongly) {
    EXPECT_EQ(verdict({{"If-Match", "\"abc\""}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Match", "abc"}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Match", "*"}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Match", "W/\"abc\""}}), Verdict::kPreconditionFailed);
    EXPECT_EQ(verdict({{"If-Match", "\"x\""}}), Verdict::kPreconditionFailed);
    EXPECT_EQ(verdict({{"If-Match", ""}}), Verdict::kPreconditionFailed);
}

TEST(Conditions, DatesCompareToTheSecondAndBadOnesAreIgnored) {
    EXPECT_EQ(verdict({{"If-Modified-Since", kDate}}), Verdict::kNotModified);
    EXPECT_EQ(verdict({{"If-Modified-Since", kLater}}), Verdict::kNotModified);
    EXPECT_EQ(verdict({{"If-Modified-Since", kEarlier}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Modified-Since", "yesterday"}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Modified-Since", kDate}, {"If-Modified-Since", kDate}}),
              Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Unmodified-Since", kDate}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Unmodified-Since", kEarlier}}), Verdict::kPreconditionFailed);
    EXPECT_EQ(verdict({{"If-Unmodified-Since", "x"}}), Verdict::kProceed);
}

TEST(Conditions, TagsWinOverDatesInTheOrderOfTheRfc) {
    EXPECT_EQ(verdict({{"If-Modified-Since", kDate}, {"If-None-Match", "x"}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Modified-Since", kEarlier}, {"If-None-Match", "abc"}}),
              Verdict::kNotModified);
    EXPECT_EQ(verdict({{"If-Unmodified-Since", kEarlier}, {"If-Match", "abc"}}), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Match", "x"}, {"If-None-Match", "abc"}}), Verdict::kPreconditionFailed);
}

TEST(Conditions, AGrowingFileHasNothingToCompareWith) {
    EXPECT_EQ(verdict({{"If-None-Match", "abc"}}, kGrowing), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-None-Match", "\"\""}}, kGrowing), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Modified-Since", kLater}}, kGrowing), Verdict::kProceed);
    EXPECT_EQ(verdict({{"If-Match", "abc"}}, kGrowing), Verdict::kPreconditionFailed);
    EXPECT_EQ(verdict({{"If-Match", "*"}}, kGrowing), Verdict::kProceed);
    EXPECT_FALSE(applies({{"If-Range", "\"\""}}, kGrowing));
    EXPECT_FALSE(applies({{"If-Range", kDate}}, kGrowing));
}

TEST(IfRange, NeedsOneStrongTagOrASettledEqualDate) {
    EXPECT_TRUE(applies({}));
    EXPECT_TRUE(applies({{"If-Range", "\"abc\""}}));
    EXPECT_TRUE(applies({{"If-Range", "abc"}}));
    EXPECT_TRUE(applies({{"If-Range", kDate}}));
    for (const char* value : {"W/\"abc\"", "\"x\"", "", "*", "\"abc\", \"x\"", "x, abc"})
        EXPECT_FALSE(applies({{"If-Range", value}})) << value;
    EXPECT_FALSE(applies({{"If-Range", kLater}}));
    EXPECT_FALSE(applies({{"If-Range", kEarlier}}));
    EXPECT_FALSE(applies({{"If-Range", kDate}}, kCurrent, kModified)) << "written this second";
    EXPECT_FALSE(applies({{"If-Range", "abc"}, {"If-Range", "abc"}}));
}

TEST(HttpDate, AllThreeFormsAreTheSameInstant) {
    EXPECT_EQ(parse_http_date(kDate, kNow), kModified);
    EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), kModified);
    EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", kNow), kModified);
    EXPECT_EQ(format_http_date(kModified), kDate);
}

TEST(HttpDate, GoesThereAndBackOverCenturies) {
    for (std::int64_t seconds = -9'000'000'000; seconds < 9'000'000'000; seconds += 8'640'123)
        EXPECT_EQ(parse_http_date(format_http_date(seconds), kNow), seconds);
    EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(format_http_date(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(HttpDate, ATwoDigitYearIsWithinFiftyYears) {
    const std::int64_t in_2026 = 1'795'000'000;
    EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", in_2026), kModified);
    EXPECT_EQ(format_http_date(*parse_http_date("Friday, 06-Nov-26 08:49:37 GMT", in_2026)),
              "Fri, 06 Nov 2026 08:49:37 GMT");
}

TEST(HttpDate, WhatIsNoneIsNone) {
    for (const char* text :
         {"", "x", "Sun", "Sun, ", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
          "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun Nov 6 08:49:37 1994", "784111777",
          "Sunday, 06-Nov-1994 08:49:37 GMT"})
        EXPECT_FALSE(parse_http_date(text, kNow)) << text;
}

TEST(IsoDate, HasMilliseconds) {
    EXPECT_EQ(format_iso_date(kModified * 1'000'000'000 + 120'999'999), "1994-11-06T08:49:37.120Z");
}

}  // namespace
}  // namespace reelfs::http
