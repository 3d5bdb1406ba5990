// Who a request comes from: schemes, where they are taken, and what refuses them. Signatures
// themselves: sigv4_test.cc.
#include "http/authentication.h"

#include <gtest/gtest.h>

#include <map>

#include "fake_accounts.h"
#include "http/basic.h"

namespace reelfs::http {
namespace {

constexpr Arrival kLoopback{.secure = false, .peer_is_loopback = true};
constexpr Arrival kTls{.secure = true, .peer_is_loopback = false};
constexpr Arrival kOpen{.secure = false, .peer_is_loopback = false};

class AuthenticationTest : public ::testing::Test {
  protected:
    AuthenticationTest() {
        accounts_.add_user("ann", "KEY", "secret");
        Grant grant{ContainerId(4), {"live"}, {}};
        grant.actions.add(Action::kPutObject);
        accounts_.add_token("rft_a_b", {.id = "a", .grant = grant, .created = {}, .expires = {}});
    }
    Authenticated with(const std::string& fields, const Arrival& arrival = kLoopback,
                       const std::string& target = "/a") {
        const std::string text = "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
        RequestHead head;
        EXPECT_FALSE(check_head(text, head)) << text;
        return authenticator_.authenticate(head, arrival);
    }
    Authenticated with_authorization(const std::string& value, const Arrival& arrival = kLoopback) {
        return with("Authorization: " + value + "\r\n", arrival);
    }

    FakeAccounts accounts_;
    SystemClock clock_;
    DoorAuthenticator authenticator_{accounts_, clock_, "us-west-2"};
};

TEST_F(AuthenticationTest, WhoOffersNothingIsNobody) {
    const Authenticated answer = with("");
    EXPECT_FALSE(answer.refused);
    EXPECT_TRUE(answer.principal.is_anonymous());
    EXPECT_FALSE(answer.payload.needs_digest());
}

TEST_F(AuthenticationTest, BasicTakesAnAccessKey) {
    for (const Arrival& arrival : {kLoopback, kTls}) {
        const Authenticated answer = with_authorization("Basic S0VZOnNlY3JldA==", arrival);
        EXPECT_FALSE(answer.refused);
        EXPECT_EQ(answer.principal.name, "ann");
        EXPECT_FALSE(answer.principal.grant);
    }
    EXPECT_EQ(with_authorization("basic  S0VZOnNlY3JldA").principal.name, "ann");
}

TEST_F(AuthenticationTest, AWrongSecretIsRefusedAndNotNobody) {
    for (const char* wrong : {"Basic S0VZOnNlY3JldQ==", "Basic S0VZOg==", "Basic S0VaOnNlY3JldA==",
                              "Bearer rft_a_c", "Bearer x"}) {
        const Authenticated answer = with_authorization(wrong);
        ASSERT_TRUE(answer.refused) << wrong;
        EXPECT_EQ(answer.refused->status, 401) << wrong;
        EXPECT_TRUE(answer.principal.is_anonymous());
    }
}

TEST_F(AuthenticationTest, BearerIsExactlyItsGrant) {
    const Authenticated answer = with_authorization("Bearer rft_a_b", kTls);
    ASSERT_FALSE(answer.refused);
    EXPECT_FALSE(answer.principal.is_anonymous());
    ASSERT_TRUE(answer.principal.grant);
    EXPECT_EQ(answer.principal.grant->container, ContainerId(4));
    EXPECT_EQ(answer.principal.grant->prefix, Components{"live"});
}

TEST_F(AuthenticationTest, SecretsAreNotTakenInTheClearFromElsewhere) {
    for (const char* good : {"Basic S0VZOnNlY3JldA==", "Bearer rft_a_b"}) {
        const Authenticated answer = with_authorization(good, kOpen);
        ASSERT_TRUE(answer.refused);
        EXPECT_EQ(answer.refused->status, 403);
    }
}

TEST_F(AuthenticationTest, UnknownAndMalformedSchemesAreRefused) {
    for (const char* bad : {"", "Basic", "Basic !", "Basic S0VZ", "Digest a=b", "KEY:secret",
                            "AWS4-ECDSA-P256-SHA256 a=b", "Bearer"}) {
        const Authenticated answer = with_authorization(bad);
        ASSERT_TRUE(answer.refused) << bad;
        EXPECT_EQ(answer.refused->status, 400) << bad;
    }
    EXPECT_EQ(with("Authorization: Basic S0VZOnNlY3JldA==\r\nAuthorization: Bearer rft_a_b\r\n")
                  .refused->status,
              400);
}

TEST_F(AuthenticationTest, ASecretAndAPresignedQueryAreOneTooMany) {
    const Authenticated answer = with("Authorization: Basic S0VZOnNlY3JldA==\r\n", kLoopback,
                                      "/a?X-Amz-Signature=" + std::string(64, 'a'));
    ASSERT_TRUE(answer.refused);
    EXPECT_EQ(answer.refused->status, 400);
}

TEST(Base64, IsExact) {
    EXPECT_EQ(base64_decoded(""), "");
    EXPECT_EQ(base64_decoded("Zg=="), "f");
    EXPECT_EQ(base64_decoded("Zg"), "f");
    EXPECT_EQ(base64_decoded("Zm8="), "fo");
    EXPECT_EQ(base64_decoded("Zm9vYmFy"), "foobar");
    EXPECT_EQ(base64_decoded("/+8="), "\xff\xef");
    for (const char* bad : {"Z", "Zg=", "Zm9=v", "Zm9v=", "Zm 8", "====", "Zg===", "-_8="})
        EXPECT_FALSE(base64_decoded(bad)) << bad;
}

}  // namespace
}  // namespace reelfs::http
