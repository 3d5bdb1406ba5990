// Who is let in, at a real server over fake users: what is answered to whom, and what the operator
// sees of it.
#include "fake_accounts.h"
#include "http/authentication.h"
#include "http/data_access.h"
#include "server_fixture.h"

namespace reelfs::http {
namespace {

const std::string kBasic = "Authorization: Basic S0VZOnNlY3JldA==\r\n";

class Admission : public ServerTest {
  protected:
    Admission() {
        accounts_.add_user("ann", "KEY", "secret");
        options_.authenticator = &authenticator_;
        tree_.put("/live/a", "x");
    }
    Answer put(RawClient& peer, const std::string& fields) {
        peer.send("PUT /live/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n" + fields +
                  "\r\ny");
        return peer.answer();
    }

    FakeAccounts accounts_;
    DoorAuthenticator authenticator_{accounts_, clock_, "us-west-2"};
};

TEST_F(Admission, AnonymousWritersAreAskedWhoTheyAreAndCounted) {
    limits_.challenge_ms = 60'000;
    RawClient peer = client();
    const Answer answer = put(peer, "");
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.field("www-authenticate"), "Basic realm=\"reelfs\", charset=\"UTF-8\"");
    EXPECT_EQ(answer.field("x-amzn-errortype"), "AccessDeniedException");
    EXPECT_TRUE(answer.has("date"));
    EXPECT_EQ(metric("reelfs_http_ingest_challenges_total"), "1");
    EXPECT_EQ(metric("reelfs_http_refused_ingests_total"), "0") << "it may still say who it is";
    EXPECT_EQ(put(peer, "Authorization: Basic S0VZOndyb25n\r\n").status, 401);
    EXPECT_EQ(metric("reelfs_http_refused_ingests_total"), "1");
    // Reading is no ingest.
    EXPECT_EQ(peer.get("/live/a", "Authorization: Bearer x\r\n").status, 401);
    EXPECT_EQ(metric("reelfs_http_refused_ingests_total"), "1");
    clock_.advance_ms(60'000);
    EXPECT_EQ(metric("reelfs_http_ingest_challenges_total"), "1");
    EXPECT_EQ(metric("reelfs_http_refused_ingests_total"), "1") << "the challenge was answered";
}

TEST_F(Admission, AChallengeThatNobodyAnswersIsARefusedIngestAfterItsTime) {
    limits_.challenge_ms = 60'000;
    RawClient peer = client();
    EXPECT_EQ(put(peer, "").status, 401);
    EXPECT_EQ(put(peer, "").status, 401);
    put(peer, kBasic);
    EXPECT_EQ(metric("reelfs_http_refused_ingests_total"), "0");
    clock_.advance_ms(60'001);
    while (metric("reelfs_http_refused_ingests_total") == "0") continue;
    EXPECT_EQ(metric("reelfs_http_refused_ingests_total"), "1") << "one answer settles one";
}

TEST(Challenges, AreBoundedAndTheOldestIsGivenUpFirst) {
    Challenges challenges(2);
    EXPECT_EQ(challenges.asked("PUT", "/c/a", 1), "");
    EXPECT_EQ(challenges.asked("DELETE", "/c/a", 2), "");
    EXPECT_EQ(challenges.asked("PUT", "/c/b", 3), "PUT");
    challenges.answered("PUT", "/c/a");
    challenges.answered("PUT", "/c/b");
    EXPECT_TRUE(challenges.take_unanswered(1).empty());
    EXPECT_EQ(challenges.take_unanswered(3), std::vector<std::string>{"DELETE"});
    EXPECT_TRUE(challenges.take_unanswered(100).empty());
}

TEST_F(Admission, AUserReadsWhereNobodyMay) {
    RawClient peer = client();
    const std::string elsewhere = "X-Forwarded-For: 10.0.0.1\r\n";
    EXPECT_EQ(peer.get("/live/a", elsewhere).status, 403);
    EXPECT_EQ(peer.get("/live/a", elsewhere + kBasic).body, "x");
    // The next request on the connection is judged by itself.
    EXPECT_EQ(peer.get("/live/a", elsewhere).status, 403);
}

TEST_F(Admission, AProofThatDoesNotHoldIsNotNobodys) {
    RawClient peer = client();
    EXPECT_EQ(peer.get("/live/a").status, 200);
    const Answer refused = peer.get("/live/a", "Authorization: Basic S0VZOndyb25n\r\n");
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.field("x-amzn-errortype"), "UnrecognizedClientException");
    EXPECT_EQ(peer.get("/live/a?X-Amz-Signature=1").status, 400);
    EXPECT_EQ(tree_.opens, 1);
}

TEST_F(Admission, AnAddressOffLoopbackIsFineWithAnAuthenticator) {
    ServerOptions open;
    open.http = Endpoint{"0.0.0.0", 0};
    open.authenticator = &authenticator_;
    auto server = start_server(tree_, clock_, metrics_, open);
    ASSERT_TRUE(server.ok()) << server.error().message();
    EXPECT_EQ((*server)->http()->address, "0.0.0.0");
}

class Access : public ::testing::Test {
  protected:
    Access() {
        EXPECT_FALSE(check_head(text_, head_));
        somebody_.principal.name = "ann";
    }
    /// The status of the refusal; 0 when it may.
    int refusal(const Authenticated& who, Action action, const Components& path,
                const Arrival& arrival = {.secure = true, .peer_is_loopback = false}) {
        last_ = refuse_access(state_, {head_, who, arrival}, action, "c", path);
        return last_ ? last_->status : 0;
    }

    FakeTree tree_;
    SystemClock clock_;
    Metrics metrics_;
    ServerState state_{tree_, clock_, metrics_, {}, {}};
    const std::string text_ = "PUT /c/a HTTP/1.1\r\nHost: h\r\n\r\n";
    RequestHead head_;
    Authenticated somebody_;
    std::optional<Response> last_;
};

TEST_F(Access, NobodyIsAskedForASecretOnlyWhereItDoesNotTravelOpenly) {
    EXPECT_EQ(refusal({}, Action::kPutObject, {"a"}), 401);
    EXPECT_NE(last_->fields.find("WWW-Authenticate"), std::string::npos);
    EXPECT_EQ(refusal({}, Action::kPutObject, {"a"}, {.secure = false, .peer_is_loopback = true}),
              401);
    EXPECT_EQ(refusal({}, Action::kPutObject, {"a"}, {.secure = false, .peer_is_loopback = false}),
              403);
    EXPECT_EQ(last_->fields.find("WWW-Authenticate"), std::string::npos);
    EXPECT_EQ(state_.challenged_ingests, 2u);
    EXPECT_EQ(state_.refused_ingests, 1u) << "nobody was asked, so no answer can follow";
}

TEST_F(Access, AUserMayAndATokenMayWhatItSays) {
    EXPECT_EQ(refusal(somebody_, Action::kDeleteObject, {"a"}), 0);
    Authenticated token = somebody_;
    token.principal.grant = Grant{kFakeContainer, {"live"}, {}};
    token.principal.grant->actions.add(Action::kPutObject);
    EXPECT_EQ(refusal(token, Action::kPutObject, {"live", "a"}), 0);
    EXPECT_EQ(state_.refused_ingests, 0u);
    EXPECT_EQ(refusal(token, Action::kPutObject, {"a"}), 403);
    EXPECT_EQ(refusal(token, Action::kDeleteObject, {"live", "a"}), 403);
    EXPECT_EQ(state_.refused_ingests, 2u);
    EXPECT_EQ(refusal(token, Action::kListItems, {"live"}), 403);
    EXPECT_EQ(state_.refused_ingests, 2u);
    token.principal.grant->container = ContainerId(kFakeContainer.value() + 1);
    EXPECT_EQ(refusal(token, Action::kPutObject, {"live", "a"}), 403);
}

}  // namespace
}  // namespace reelfs::http
