// CORS over real sockets: preflights before authentication, and what other responses carry.
#include <gtest/gtest.h>

#include "server_fixture.h"
#include "test_authenticator.h"

namespace reelfs::http {
namespace {

class CorsServer : public ServerTest {
  protected:
    CorsServer() {
        options_.authenticator = &authenticator_;
        tree_.put("/live/a", "content");
        tree_.put("/plain/a", "content");
        tree_.cors_container = "live";
        allow("https://e.com");
    }
    void allow(const std::string& origin) {
        tree_.cors_rules = *policy::parse_cors(
            R"([{"AllowedOrigins": [")" + origin +
            R"("], "AllowedMethods": ["GET", "HEAD"], "AllowedHeaders": ["range", "authorization"],
                "ExposeHeaders": ["ETag", "Content-Range"], "MaxAgeSeconds": 3000}])");
    }
    Answer preflight(const std::string& target, const std::string& more) {
        RawClient peer = client();
        peer.send("OPTIONS " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n");
        return peer.answer();
    }
    static bool has_cors(const Answer& answer) {
        for (const auto& field : answer.fields)
            if (field.first.starts_with("access-control-")) return true;
        return false;
    }

    TestAuthenticator authenticator_;
};

TEST_F(CorsServer, APreflightIsAnsweredByTheRules) {
    const Answer answer = preflight("/live/a",
                                    "Origin: https://e.com\r\n"
                                    "Access-Control-Request-Method: GET\r\n"
                                    "Access-Control-Request-Headers: Range,  authorization\r\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(answer.field("content-length"), "0");
    EXPECT_EQ(answer.field("access-control-allow-origin"), "https://e.com");
    EXPECT_EQ(answer.field("access-control-allow-credentials"), "true");
    EXPECT_EQ(answer.field("access-control-allow-methods"), "GET, HEAD");
    EXPECT_EQ(answer.field("access-control-allow-headers"), "Range, authorization");
    EXPECT_EQ(answer.field("access-control-expose-headers"), "ETag, Content-Range");
    EXPECT_EQ(answer.field("access-control-max-age"), "3000");
    EXPECT_NE(answer.field("vary").find("Origin"), std::string::npos);
    EXPECT_EQ(tree_.opens, 0) << "whether it exists is not looked at";
}

TEST_F(CorsServer, WhatNoRuleLetsInIs403WithoutCorsHeaders) {
    for (const std::string& more :
         {std::string("Origin: https://e.com\r\nAccess-Control-Request-Method: PUT\r\n"),
          std::string("Origin: https://f.com\r\nAccess-Control-Request-Method: GET\r\n"),
          std::string("Origin: https://e.com\r\nAccess-Control-Request-Method: GET\r\n"
                      "Access-Control-Request-Headers: x-other\r\n")}) {
        const Answer answer = preflight("/live/a", more);
        EXPECT_EQ(answer.status, 403) << more;
        EXPECT_FALSE(has_cors(answer)) << more;
    }
    const std::string good = "Origin: https://e.com\r\nAccess-Control-Request-Method: GET\r\n";
    for (const char* target : {"/plain/a", "/none/a", "/", "/~reelfs/other"})
        EXPECT_EQ(preflight(target, good).status, 403) << target;
    // A wrong proof is not looked at: a browser sends none with a preflight.
    EXPECT_EQ(preflight("/live/a", good + "Authorization: Wrong\r\n").status, 200);
}

TEST_F(CorsServer, OptionsThatAreNoPreflightAre400) {
    EXPECT_EQ(preflight("/live/a", "").status, 400);
    EXPECT_EQ(preflight("/live/a", "Access-Control-Request-Method: GET\r\n").status, 400);
    EXPECT_EQ(preflight("/live/a", "Origin: https://e.com\r\n").status, 400);
    EXPECT_EQ(preflight("/live/a",
                        "Origin: https://e.com\r\nOrigin: https://e.com\r\n"
                        "Access-Control-Request-Method: GET\r\n")
                  .status,
              400);
}

TEST_F(CorsServer, ResponsesCarryTheGrantErrorsAnd304Included) {
    RawClient peer = client();
    const std::string origin = "Origin: https://e.com\r\n";
    const Answer found = peer.get("/live/a", origin);
    EXPECT_EQ(found.status, 200);
    const Answer part = peer.get("/live/a", origin + "Range: bytes=0-1\r\n");
    EXPECT_EQ(part.status, 206);
    const Answer unchanged =
        peer.get("/live/a", origin + "If-None-Match: " + found.field("etag") + "\r\n");
    EXPECT_EQ(unchanged.status, 304);
    const Answer missing = peer.get("/live/none", origin);
    EXPECT_EQ(missing.status, 404);
    const Answer wrong = peer.get("/live/a", origin + "Authorization: Wrong\r\n");
    EXPECT_EQ(wrong.status, 403);
    const Answer described = peer.head("/live/a", origin);
    EXPECT_EQ(described.status, 200);
    for (const Answer* answer : {&found, &part, &unchanged, &missing, &wrong, &described}) {
        EXPECT_EQ(answer->field("access-control-allow-origin"), "https://e.com") << answer->status;
        EXPECT_EQ(answer->field("access-control-expose-headers"), "ETag, Content-Range");
        EXPECT_EQ(answer->field("access-control-allow-credentials"), "true");
        EXPECT_EQ(answer->field("vary"), "Origin");
        EXPECT_FALSE(answer->has("access-control-allow-methods"));
        EXPECT_FALSE(answer->has("access-control-max-age"));
    }
}

TEST_F(CorsServer, OtherOriginsAndNoneAreServedWithoutCorsHeadersButVary) {
    RawClient peer = client();
    for (const char* more :
         {"Origin: https://e.com:443\r\n", "Origin: http://e.com\r\n", "Origin: null\r\n", ""}) {
        const Answer answer = peer.get("/live/a", more);
        EXPECT_EQ(answer.status, 200) << more;
        EXPECT_FALSE(has_cors(answer)) << more;
        EXPECT_EQ(answer.field("vary"), "Origin") << more;
    }
    // Not a method of the rule.
    peer.send("DELETE /live/a HTTP/1.1\r\nHost: localhost\r\nOrigin: https://e.com\r\n\r\n");
    EXPECT_FALSE(has_cors(peer.answer()));
    // A container without rules says nothing at all.
    const Answer plain = peer.get("/plain/a", "Origin: https://e.com\r\n");
    EXPECT_FALSE(has_cors(plain));
    EXPECT_FALSE(plain.has("vary"));
}

TEST_F(CorsServer, ARuleForAllAnswersWithAStarWithoutVaryAndCredentials) {
    allow("*");
    RawClient peer = client();
    const Answer answer = peer.get("/live/a", "Origin: https://any.example\r\n");
    EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
    EXPECT_FALSE(answer.has("access-control-allow-credentials"));
    EXPECT_FALSE(answer.has("vary"));
    // What a cache keeps of a request without Origin must not answer one with.
    const Answer none = peer.get("/live/a");
    EXPECT_FALSE(has_cors(none));
    EXPECT_EQ(none.field("vary"), "Origin");
}

TEST_F(CorsServer, EverybodyMayReadTheTime) {
    RawClient peer = client();
    EXPECT_EQ(peer.get("/~reelfs/time", "Origin: https://x.example\r\n")
                  .field("access-control-allow-origin"),
              "*");
    const Answer answer = preflight("/~reelfs/time",
                                    "Origin: https://x.example\r\n"
                                    "Access-Control-Request-Method: GET\r\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
    EXPECT_EQ(answer.field("access-control-allow-methods"), "GET, HEAD");
}

}  // namespace
}  // namespace reelfs::http
