#include "reelfs/policy/lifecycle.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace reelfs::policy {
namespace {

constexpr Timestamp kNoon = Timestamp::from_seconds(1'700'000'000);

std::string rule(std::string_view path, std::string_view age, std::string_view action = "EXPIRE") {
    return fmt::format(R"({{"definition":{{"path":{},{}}},"action":"{}"}})", path, age, action);
}
std::string document(std::string_view rules) {
    return fmt::format(R"({{"rules":[{}]}})", rules);
}
std::string transient(std::string_view pattern, std::string_view numeric) {
    return rule(fmt::format(R"([{{"wildcard":"{}"}}])", pattern),
                fmt::format(R"("seconds_since_create":[{{"numeric":{}}}])", numeric));
}
std::string days(std::string_view path, std::string_view numeric) {
    return rule(path, fmt::format(R"("days_since_create":[{{"numeric":{}}}])", numeric));
}
LifecycleRules lifecycle(std::string_view rules) {
    auto result = parse_lifecycle(document(rules));
    EXPECT_TRUE(result.ok()) << result.error().message();
    return result ? *std::move(result) : LifecycleRules{};
}
std::int64_t seconds_until(std::optional<Timestamp> at) {
    return at ? (at->ns - kNoon.ns) / 1'000'000'000 : -1;
}

TEST(Lifecycle, GreaterThanIsOneSecondMoreThanAtLeast) {
    const auto more = lifecycle(transient("*", R"([">",15])"));
    EXPECT_EQ(seconds_until(transient_expiry(more, "a.ts", kNoon)), 16);
    const auto least = lifecycle(transient("*", R"([">=",15])"));
    EXPECT_EQ(seconds_until(transient_expiry(least, "a.ts", kNoon)), 15);
}

TEST(Lifecycle, TheEarliestOfSeveralRulesOfOneKindCounts) {
    const auto rules =
        lifecycle(transient("*", R"([">=",100])") + "," + transient("live/*.ts", R"([">=",10])") +
                  "," + days(R"([{"prefix":""}])", R"([">=",2])"));
    EXPECT_EQ(seconds_until(transient_expiry(rules, "live/1.ts", kNoon)), 10);
    EXPECT_EQ(seconds_until(transient_expiry(rules, "vod/1.ts", kNoon)), 100);
    EXPECT_EQ(seconds_until(day_expiry(rules, "live/1.ts", kNoon)), 2 * 86'400);
}

TEST(Lifecycle, AnyOfARulesPathsMeansTheObject) {
    const auto rules =
        lifecycle(days(R"([{"prefix":"Football/"},{"prefix":"April"}])", R"([">",1])"));
    EXPECT_EQ(seconds_until(day_expiry(rules, "Football/a", kNoon)), 2 * 86'400);
    EXPECT_EQ(seconds_until(day_expiry(rules, "April2/a", kNoon)), 2 * 86'400);
    EXPECT_FALSE(day_expiry(rules, "May/a", kNoon));
    EXPECT_FALSE(transient_expiry(rules, "April/a", kNoon));
    EXPECT_TRUE(has_day_rules(rules));
    EXPECT_FALSE(has_day_rules(lifecycle(transient("*", R"([">",15])"))));
}

TEST(Lifecycle, ArchiveIsTakenAndExpiresNothing) {
    const auto rules = lifecycle(
        rule(R"([{"prefix":""}])", R"("days_since_create":[{"numeric":[">=",30]}])", "ARCHIVE"));
    EXPECT_EQ(rules.size(), 1u);
    EXPECT_FALSE(day_expiry(rules, "a", kNoon));
}

TEST(Lifecycle, ADateBeyondTheEndOfTimeNeverExpires) {
    const auto rules = lifecycle(days(R"([{"prefix":""}])", R"([">",36500])"));
    EXPECT_FALSE(day_expiry(rules, "a", Timestamp{INT64_MAX}));
    EXPECT_TRUE(day_expiry(rules, "a", Timestamp{INT64_MIN}));
}

TEST(Lifecycle, WhatIsNoPolicyIsRefusedWithTheRuleNamed) {
    const std::string good = transient("*", R"([">",15])");
    const std::string paths = R"([{"wildcard":"*"}])";
    const std::string age = R"("seconds_since_create":[{"numeric":[">",15]}])";
    std::string eleven = good;
    for (int i = 0; i < 10; ++i) eleven += "," + good;
    for (const std::string& bad : {
             std::string(""),
             std::string("[]"),
             std::string("{}"),
             document(""),
             document(eleven),
             std::string(R"({"rules":[)") + good + R"(],"more":1})",
             document(rule(paths, R"("weeks_since_create":[{"numeric":[">",1]}])")),
             document(rule(paths, age + R"(,"days_since_create":[{"numeric":[">",1]}])")),
             document(rule("[]", age)),
             document(rule(R"([{"prefix":"a"}])", age)),
             document(rule(R"([{"wildcard":"*"},{"prefix":"a"}])", age)),
             document(rule(R"([{"wildcard":"/a*"}])", age)),
             document(rule(R"([{"wildcard":""}])", age)),
             document(rule(R"([{"wildcard":"a","prefix":"b"}])", age)),
             document(rule(paths, R"("seconds_since_create":[{"numeric":[">",301]}])")),
             document(rule(paths, R"("seconds_since_create":[{"numeric":[">",0]}])")),
             document(rule(paths, R"("seconds_since_create":[{"numeric":[">",1.5]}])")),
             document(rule(paths, R"("seconds_since_create":[{"numeric":["=",15]}])")),
             document(rule(paths, R"("seconds_since_create":[{"numeric":[">"]}])")),
             document(rule(paths, R"("seconds_since_create":[])")),
             document(rule(paths, R"("days_since_create":[{"numeric":[">",36501]}])")),
             document(rule(paths, age, "DELETE")),
             document(rule(paths, age, "ARCHIVE")),
             document(rule(paths, R"("days_since_create":[{"numeric":[">",30]}])", "ARCHIVE")),
         }) {
        auto result = parse_lifecycle(bad);
        ASSERT_FALSE(result.ok()) << bad;
        EXPECT_EQ(result.error().code(), Errc::kInvalid);
    }
    const auto second = parse_lifecycle(document(good + "," + rule(paths, age, "NEVER")));
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message().find("rule 2"), std::string::npos)
        << second.error().message();
}

}  // namespace
}  // namespace reelfs::policy
