#include "reelfs/policy/delivery.h"

#include <gtest/gtest.h>

namespace reelfs::policy {
namespace {

DeliveryRules delivery(std::string_view text) {
    auto result = parse_delivery(text);
    EXPECT_TRUE(result.ok()) << result.error().message();
    return result ? *std::move(result) : DeliveryRules{};
}

TEST(DeliveryRules, EachPropertyComesFromTheFirstRuleThatMatchesAndSetsIt) {
    const auto rules = delivery(R"({"rules":[
        {"path":{"wildcard":"live/*.m3u8"},"cache_control":"max-age=2","hold_ms":3000},
        {"path":{"prefix":"live/"},"cache_control":"max-age=31536000, immutable",
         "not_found_cache_control":"max-age=1"},
        {"path":{"wildcard":"*.m3u8"},"cache_control":"no-cache","content_type":"audio/mpegurl",
         "etag":"bare"},
        {"path":{"prefix":""},"etag":"quoted"}]})");
    EXPECT_EQ(decide_delivery(rules, "live/a.m3u8"),
              (Delivery{"max-age=2", "max-age=1", "audio/mpegurl", 3'000, EtagForm::kBare}));
    EXPECT_EQ(decide_delivery(rules, "live/a.ts"),
              (Delivery{"max-age=31536000, immutable", "max-age=1", "", 0, EtagForm::kQuoted}));
    EXPECT_EQ(decide_delivery(rules, "vod/a.m3u8"),
              (Delivery{"no-cache", "", "audio/mpegurl", 0, EtagForm::kBare}));
    EXPECT_EQ(decide_delivery(rules, "vod/a.ts"), (Delivery{"", "", "", 0, EtagForm::kQuoted}));
    EXPECT_EQ(decide_delivery({}, "vod/a.ts"), Delivery{});
}

TEST(DeliveryRules, WhatIsNoDocumentIsRefusedWithTheRuleNamed) {
    for (const char* bad : {
             "",
             "[]",
             "{}",
             R"({"rules":[]})",
             R"({"rules":[{}]})",
             R"({"rules":[{"path":{"prefix":"a"}}]})",
             R"({"rules":[{"cache_control":"no-cache"}]})",
             R"({"rules":[{"path":{"prefix":"a"},"cache_control":""}]})",
             R"({"rules":[{"path":{"prefix":"a"},"cache_control":"a\r\nSet-Cookie: b"}]})",
             R"({"rules":[{"path":{"prefix":"a"},"content_type":7}]})",
             R"({"rules":[{"path":{"prefix":"a"},"hold_ms":0}]})",
             R"({"rules":[{"path":{"prefix":"a"},"hold_ms":30001}]})",
             R"({"rules":[{"path":{"prefix":"a"},"hold_ms":"1"}]})",
             R"({"rules":[{"path":{"prefix":"a"},"hold":1}]})",
             R"({"rules":[{"path":{"prefix":"a"},"etag":"weak"}]})",
             R"({"rules":[{"path":{"prefix":"a"},"etag":true}]})",
             R"({"rules":[{"path":"a","hold_ms":1}]})",
         }) {
        auto result = parse_delivery(bad);
        ASSERT_FALSE(result.ok()) << bad;
        EXPECT_EQ(result.error().code(), Errc::kInvalid);
    }
    const auto second = parse_delivery(
        R"({"rules":[{"path":{"prefix":""},"hold_ms":1},{"path":{"prefix":""},"hold_ms":-1}]})");
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message().find("rule 2"), std::string::npos)
        << second.error().message();
}

}  // namespace
}  // namespace reelfs::policy
