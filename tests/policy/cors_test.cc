// CORS: what a policy may say, and which request it lets in.
#include "reelfs/policy/cors.h"

#include <gtest/gtest.h>

namespace reelfs::policy {
namespace {

CorsRules rules(std::string_view json) {
    auto parsed = parse_cors(json);
    EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.error().message());
    return parsed.ok() ? *std::move(parsed) : CorsRules{};
}

/// One rule: these origins, GET and HEAD, these headers.
CorsRules of_origins(const std::string& origins, const std::string& headers = "\"*\"") {
    return rules(R"([{"AllowedOrigins": [)" + origins + R"(], "AllowedMethods": ["GET", "HEAD"],
                      "AllowedHeaders": [)" +
                 headers + "]}]");
}

bool lets_in(const CorsRules& policy, std::string_view origin, std::string_view method = "GET",
             std::vector<std::string_view> headers = {}) {
    return decide_cors(policy, {origin, method, std::move(headers)}).has_value();
}

TEST(CorsPolicy, AnOriginIsSchemeHostAndPortAsOneString) {
    const CorsRules policy = of_origins(R"("https://www.example.com")");
    EXPECT_TRUE(lets_in(policy, "https://www.example.com"));
    for (const char* other :
         {"http://www.example.com", "https://www.example.com:443", "https://example.com",
          "https://www.example.com.evil.org", "https://WWW.example.com", "null", ""})
        EXPECT_FALSE(lets_in(policy, other)) << other;
}

TEST(CorsPolicy, OneStarStandsForAnyRun) {
    const CorsRules policy = of_origins(R"("http://*.example.com")");
    EXPECT_TRUE(lets_in(policy, "http://a.example.com"));
    EXPECT_TRUE(lets_in(policy, "http://a.b.example.com"));
    EXPECT_FALSE(lets_in(policy, "http://example.com"));
    EXPECT_FALSE(lets_in(policy, "http://.example.co"));
    // Beginning and end of the pattern do not share characters.
    EXPECT_FALSE(lets_in(of_origins(R"("aba*aba")"), "aba"));
    EXPECT_FALSE(lets_in(of_origins(R"("aba*aba")"), "ababa"));
    EXPECT_TRUE(lets_in(of_origins(R"("aba*aba")"), "abaaba"));
}

TEST(CorsPolicy, TheStarAloneAnswersWithAStarAndOthersWithTheOrigin) {
    const CorsRequest request{"https://a.example", "GET", {}};
    EXPECT_EQ(decide_cors(of_origins(R"("*")"), request)->origin, "*");
    EXPECT_EQ(decide_cors(of_origins(R"("https://*")"), request)->origin, "https://a.example");
    EXPECT_EQ(decide_cors(of_origins(R"("https://a.example", "*")"), request)->origin,
              "https://a.example");
}

TEST(CorsPolicy, TheFirstRuleThatFitsInAllDecides) {
    const CorsRules policy = rules(R"([
        {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["PUT"],
         "AllowedHeaders": []},
        {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"],
         "AllowedHeaders": ["range"], "MaxAgeSeconds": 1},
        {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD", "GET"],
         "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag", "*"], "MaxAgeSeconds": 0}])");
    const auto second = decide_cors(policy, {"https://a.example", "GET", {"Range"}});
    ASSERT_TRUE(second);
    EXPECT_EQ(*second, (CorsGrant{.origin = "https://a.example",
                                  .methods = "GET",
                                  .headers = "Range",
                                  .exposed = "",
                                  .max_age_seconds = 1}));
    const auto third = decide_cors(policy, {"https://a.example", "GET", {"range", "x-any"}});
    ASSERT_TRUE(third);
    EXPECT_EQ(*third, (CorsGrant{.origin = "*",
                                 .methods = "HEAD, GET",
                                 .headers = "range, x-any",
                                 .exposed = "ETag, *",
                                 .max_age_seconds = 0}));
    EXPECT_FALSE(lets_in(policy, "https://b.example", "PUT"));
    EXPECT_FALSE(lets_in(policy, "https://b.example", "DELETE"));
    EXPECT_FALSE(lets_in(policy, "https://b.example", "get"));
}

TEST(CorsPolicy, EveryHeaderAskedForMustBeCovered) {
    const CorsRules policy = of_origins(R"("*")", R"("x-amz-*", "Content-Type")");
    EXPECT_TRUE(lets_in(policy, "o", "GET", {"X-AMZ-date", "content-TYPE"}));
    EXPECT_TRUE(lets_in(policy, "o", "GET", {"x-amz-"}));
    EXPECT_FALSE(lets_in(policy, "o", "GET", {"x-amz-date", "range"}));
    EXPECT_FALSE(lets_in(policy, "o", "GET", {"x-amz"}));
    EXPECT_TRUE(lets_in(of_origins(R"("*")", ""), "o", "GET", {}));
    EXPECT_FALSE(lets_in(of_origins(R"("*")", ""), "o", "GET", {"range"}));
}

TEST(CorsPolicy, WhatCannotBeSentBackIsNotGranted) {
    const CorsRules policy = of_origins(R"("*", "https://*")");
    EXPECT_FALSE(lets_in(policy, "https://a\r\nSet-Cookie: x"));
    EXPECT_FALSE(lets_in(policy, "https://\xc3\xa4.example"));
    EXPECT_FALSE(lets_in(policy, "https://" + std::string(1024, 'a')));
    EXPECT_FALSE(lets_in(policy, "https://a", "GET", {"a b"}));
    EXPECT_FALSE(lets_in(policy, "https://a", "GET", {""}));
    EXPECT_FALSE(lets_in(policy, "https://a", "GET", std::vector<std::string_view>(101, "a")));
    EXPECT_TRUE(lets_in(policy, "https://a", "GET", std::vector<std::string_view>(100, "a")));
}

std::string complaint(std::string_view json) {
    auto parsed = parse_cors(json);
    if (parsed.ok()) return "";
    EXPECT_EQ(parsed.error().code(), Errc::kInvalid);
    return parsed.error().message();
}

std::string with_member(const std::string& member) {
    return complaint(R"([{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"],
                          "AllowedHeaders": []}, {)" +
                     member + "}]");
}

TEST(CorsPolicy, EveryMistakeIsNamedWithItsRule) {
    const std::string good = R"("AllowedOrigins": ["*"], "AllowedHeaders": [],)";
    const struct {
        std::string member, says;
    } cases[] = {
        {R"("AllowedMethods": ["GET"], "AllowedHeaders": [])", "rule 2 has no AllowedOrigins"},
        {R"("AllowedOrigins": ["*"], "AllowedHeaders": [])", "rule 2 has no AllowedMethods"},
        {R"("AllowedOrigins": ["*"], "AllowedMethods": ["GET"])", "[] is for none"},
        {R"("AllowedOrigins": [], "AllowedHeaders": [], "AllowedMethods": ["GET"])",
         "AllowedOrigins is no list of 1 to 100"},
        {good + R"("AllowedMethods": ["POST"])", "\"POST\"; there are PUT, GET, DELETE, HEAD"},
        {good + R"("AllowedMethods": "GET")", "AllowedMethods is no list"},
        {good + R"("AllowedMethods": [1])", "no string"},
        {good + R"("AllowedMethods": ["GET"], "allowedorigins": [])",
         "a member \"allowedorigins\""},
        {good + R"("AllowedMethods": ["GET"], "MaxAgeSeconds": -1)", "MaxAgeSeconds is no number"},
        {good + R"("AllowedMethods": ["GET"], "MaxAgeSeconds": 2147483648)", "to 2147483647"},
        {good + R"("AllowedMethods": ["GET"], "MaxAgeSeconds": 1.5)", "MaxAgeSeconds"},
        {good + R"("AllowedMethods": ["GET"], "ExposeHeaders": ["a: b"])", "ExposeHeaders has"},
        {good + R"("AllowedMethods": ["GET"], "ExposeHeaders": ["a\r\nb"])", "ExposeHeaders has"},
        {R"("AllowedOrigins": ["http://*.*"], "AllowedHeaders": [], "AllowedMethods": ["GET"])",
         "at most one \"*\""},
        {R"("AllowedOrigins": ["a b"], "AllowedHeaders": [], "AllowedMethods": ["GET"])",
         "AllowedOrigins has \"a b\""},
        {R"("AllowedOrigins": ["*"], "AllowedHeaders": ["*-*"], "AllowedMethods": ["GET"])",
         "AllowedHeaders has"},
    };
    for (const auto& one : cases) {
        const std::string said = with_member(one.member);
        EXPECT_NE(said.find(one.says), std::string::npos) << one.member << ": " << said;
    }
}

TEST(CorsPolicy, BoundsAreThoseOfMediaStore) {
    const std::string rule =
        R"({"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "AllowedHeaders": []})";
    std::string list = rule;
    for (int i = 1; i < 100; ++i) list += "," + rule;
    EXPECT_EQ(complaint("[" + list + "]"), "");
    EXPECT_NE(complaint("[" + list + "," + rule + "]"), "");
    EXPECT_NE(complaint("[]"), "");
    EXPECT_NE(complaint(rule), "");
    EXPECT_NE(complaint("[1]"), "");
    EXPECT_NE(complaint(""), "");
    EXPECT_NE(complaint("[" + rule + "," + std::string(398'000, ' ') + rule + "]"), "");
    std::string exposed = "\"" + std::string(1'024, 'a') + "\"";
    EXPECT_NE(complaint("[" + rule.substr(0, rule.size() - 1) + R"(,"ExposeHeaders":[)" + exposed +
                        ",\"b\"]}]"),
              "");
    EXPECT_EQ(complaint("[" + rule.substr(0, rule.size() - 1) + R"(,"ExposeHeaders":[)" + exposed +
                        "]}]"),
              "");
}

}  // namespace
}  // namespace reelfs::policy
