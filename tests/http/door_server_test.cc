// What the public door does before and after an answer, over real sockets: hosts that name
// containers, proxies that are believed, room for each client, the access log.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "server_fixture.h"
#include "support/temp_dir.h"
#include "test_authenticator.h"

namespace reelfs::http {
namespace {

using Json = nlohmann::json;

class DoorServer : public ServerTest {
  protected:
    DoorServer() {
        options_.authenticator = &authenticator_;
        tree_.put("/live/a", "content");
        tree_.put("/live/~reelfs/health", "an object");
        tree_.endpoints["abc123"] = "live";
    }
    Answer ask(const std::string& method, const std::string& target, const std::string& host,
               const std::string& more = "") {
        RawClient peer = client();
        peer.send(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n");
        return peer.answer(method == "HEAD");
    }
    static constexpr std::string_view kSomebody = "Authorization: Test somebody\r\n";

    TestAuthenticator authenticator_;
};

TEST_F(DoorServer, AHostOfTheDomainIsTheContainerWithThatId) {
    options_.domain = "media.example";
    const std::string somebody(kSomebody);
    EXPECT_EQ(ask("GET", "/a", "abc123.media.example", somebody).body, "content");
    EXPECT_EQ(ask("GET", "//a", "ABC123.MEDIA.EXAMPLE:8080", somebody).body, "content");
    EXPECT_EQ(ask("GET", "/~reelfs/health", "abc123.media.example", somebody).body, "an object");
    // Names only in the path, ids only in the host.
    EXPECT_EQ(ask("GET", "/live/a", "abc123.media.example", somebody).status, 404);
    EXPECT_EQ(ask("GET", "/a", "live.media.example", somebody).status, 404);
    EXPECT_EQ(ask("GET", "/abc123/a", "localhost", somebody).status, 404);
    EXPECT_EQ(ask("GET", "/live/a", "media.example", somebody).body, "content");
    EXPECT_EQ(ask("GET", "/live/a", "other.example", somebody).body, "content");
}

TEST_F(DoorServer, AnUnknownIdIsNoContainer) {
    options_.domain = "media.example";
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "POST"}) {
        const Answer answer = ask(method, "/a", "data.media.example",
                                  std::string(kSomebody) + "Content-Length: 0\r\n");
        EXPECT_EQ(answer.status, 404) << method;
        EXPECT_EQ(answer.field("x-amzn-errortype"), "ContainerNotFoundException") << method;
    }
    EXPECT_EQ(ask("OPTIONS", "/a", "no.media.example",
                  "Origin: https://e.com\r\nAccess-Control-Request-Method: GET\r\n")
                  .status,
              404);
    EXPECT_EQ(tree_.opens, 0);
}

TEST_F(DoorServer, WithoutADomainEveryHostIsPathStyle) {
    EXPECT_EQ(ask("GET", "/live/a", "abc123.media.example", std::string(kSomebody)).body,
              "content");
}

TEST_F(DoorServer, PostToTheRootIsTheControlPlanes) {
    const Answer answer = ask("POST", "/", "localhost",
                              std::string(kSomebody) +
                                  "X-Amz-Target: MediaStore_20170901.ListContainers\r\n"
                                  "Content-Length: 0\r\n");
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.field("content-type"), "application/x-amz-json-1.1");
    const Json body = Json::parse(answer.body);
    EXPECT_EQ(body["__type"], answer.field("x-amzn-errortype"));
    EXPECT_TRUE(body.contains("Message"));
    for (const char* method : {"PUT", "DELETE", "PATCH"})
        EXPECT_EQ(ask(method, "/", "localhost", std::string(kSomebody)).status, 405) << method;
}

TEST_F(DoorServer, BehindATrustedProxyTheClientCounts) {
    options_.trusted_proxies = *parse_address_ranges("127.0.0.0/8");
    // Nobody in particular reads as a person at this machine only.
    EXPECT_EQ(ask("GET", "/live/a", "localhost").status, 403) << "the proxy did not say for whom";
    for (const char* more :
         {"X-Forwarded-For: 192.0.2.1\r\n", "Forwarded: for=192.0.2.1\r\n",
          "X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1;proto=https\r\n"})
        EXPECT_EQ(ask("GET", "/live/a", "localhost", more).status, 403) << more;
    EXPECT_EQ(ask("GET", "/live/a", "localhost",
                  std::string(kSomebody) + "X-Forwarded-For: 192.0.2.1\r\n")
                  .status,
              200);
}

TEST_F(DoorServer, OneClientMayHaveSoManyConnections) {
    limits_.connections_per_client_max = 2;
    RawClient first = client();
    EXPECT_EQ(first.get("/live/a").status, 200);
    {
        RawClient second = client();
        EXPECT_EQ(second.get("/live/a").status, 200);
        RawClient third = client();
        const Answer full = third.answer();
        EXPECT_EQ(full.status, 503);
        EXPECT_TRUE(full.complete);
        for (const char* field : {"date", "retry-after", "x-amzn-requestid"})
            EXPECT_TRUE(full.has(field)) << field;
        EXPECT_EQ(metric("reelfs_http_peer_faults_total{kind=\"turned_away\"}"), "1")
            << "and the admin listener is open all the same";
    }
    // Its place is free again once its end has been seen.
    for (int i = 0; i < 2'000; ++i) {
        RawClient again = client();
        const Answer answer = again.get("/live/a");
        if (answer.status == 200) return;
    }
    FAIL() << "the place was not given back";
}

TEST_F(DoorServer, ThroughATrustedProxyRequestsAreCountedForEachClient) {
    options_.trusted_proxies = *parse_address_ranges("127.0.0.1");
    limits_.connections_per_client_max = 1;
    auto growing = tree_.put_growing("/live/now", "x");
    const std::string somebody(kSomebody);
    RawClient follower = client();
    follower.send("GET /live/now HTTP/1.1\r\nHost: h\r\n" + somebody +
                  "X-Forwarded-For: 192.0.2.1\r\n\r\n");
    EXPECT_EQ(follower.answer_head().status, 200);
    RawClient other = client();
    EXPECT_EQ(other.get("/live/a", somebody + "X-Forwarded-For: 192.0.2.1\r\n").status, 503);
    EXPECT_EQ(other.get("/live/a", somebody + "X-Forwarded-For: 192.0.2.2\r\n").status, 200);
    // Of IPv6 a whole /64 is one client; the connection itself was no one's.
    EXPECT_EQ(other.get("/live/a", somebody + "X-Forwarded-For: 2001:db8::1\r\n").status, 200);
    growing->finish();
}

class LoggedServer : public DoorServer {
  protected:
    LoggedServer() {
        options_.access_log = directory_ / "access.log";
        options_.account = "111122223333";
        options_.domain = "media.example";
    }
    /// All lines, once the server has ended.
    std::vector<Json> lines() {
        server_->stop(30'000);
        server_.reset();
        std::ifstream file(options_.access_log);
        std::vector<Json> all;
        for (std::string line; std::getline(file, line);) all.push_back(Json::parse(line));
        return all;
    }
    test::TempDir directory_;
};

TEST_F(LoggedServer, EachRequestOnDataIsOneLine) {
    RawClient peer = client();
    const Answer found = peer.get("/live/a");
    peer.get("/live/a", std::string(kSomebody) + "Range: bytes=2-3\r\n");
    peer.head("/live/none");
    peer.get("/live?Path=x");
    peer.get("/live/a", "Authorization: Wrong\r\n");
    peer.get("/~reelfs/health");
    peer.get("/");
    ask("DELETE", "/a%20b", "abc123.media.example", std::string(kSomebody));
    ask("OPTIONS", "/live/a", "localhost");
    const std::vector<Json> all = lines();
    ASSERT_EQ(all.size(), 6u);
    const Json& first = all[0];
    EXPECT_EQ(first["Operation"], "GetObject");
    EXPECT_EQ(first["Requester"], "anonymous");
    EXPECT_EQ(first["AWSAccountId"], "111122223333");
    EXPECT_EQ(first["ContainerName"], "live");
    EXPECT_EQ(first["Path"], "/a");
    EXPECT_EQ(first["HTTPStatus"], 200);
    EXPECT_TRUE(first["ErrorCode"].is_null());
    EXPECT_TRUE(first["ExpiresAt"].is_null());
    EXPECT_EQ(first["BytesSent"], 7);
    EXPECT_EQ(first["BytesReceived"], 0);
    EXPECT_EQ(first["RequestID"], found.field("x-amzn-requestid"));
    EXPECT_EQ(first["Source"], "127.0.0.1");
    EXPECT_GE(first["TotalTime"], first["TurnAroundTime"]);
    EXPECT_TRUE(first["ReceivedTime"].get<std::string>().ends_with("Z"));
    EXPECT_EQ(all[1]["Requester"], "arn:aws:iam::111122223333:user/somebody");
    EXPECT_EQ(all[1]["HTTPStatus"], 206);
    EXPECT_EQ(all[1]["BytesSent"], 2);
    EXPECT_EQ(all[2]["Operation"], "DescribeObject");
    EXPECT_EQ(all[2]["ErrorCode"], "ObjectNotFoundException");
    EXPECT_EQ(all[2]["BytesSent"], 0);
    EXPECT_EQ(all[3]["Operation"], "ListItems");
    EXPECT_EQ(all[3]["Path"], "-");
    EXPECT_EQ(all[4]["ErrorCode"], "AccessDeniedException");
    EXPECT_FALSE(all[4].contains("Requester"));
    EXPECT_EQ(all[5]["Operation"], "DeleteObject");
    EXPECT_EQ(all[5]["ContainerName"], "live");
    EXPECT_EQ(all[5]["Path"], "/a b");
}

TEST_F(LoggedServer, BehindATrustedProxyTheClientIsTheSource) {
    options_.trusted_proxies = *parse_address_ranges("127.0.0.1");
    client().get("/live/a", "X-Forwarded-For: 192.0.2.7\r\n");
    client().get("/live/a");
    const std::vector<Json> all = lines();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0]["Source"], "192.0.2.7");
    EXPECT_TRUE(all[1]["Source"].is_null());
}

TEST_F(LoggedServer, AResponseThatIsCutIsAnErrorOfItsOwn) {
    auto growing = tree_.put_growing("/live/now", "x");
    RawClient peer = client();
    peer.send("GET /live/now HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(peer.receive_until("\r\n1\r\nx\r\n"));
    growing->cut();
    peer.receive_all();
    const std::vector<Json> all = lines();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0]["HTTPStatus"], 200);
    EXPECT_EQ(all[0]["ErrorCode"], "InternalServerError");
    EXPECT_EQ(all[0]["BytesSent"], 1);
}

TEST_F(LoggedServer, AfterRotationLinesGoToTheNewFile) {
    RawClient peer = client();
    peer.get("/live/a");
    std::filesystem::rename(options_.access_log, directory_ / "access.log.1");
    ASSERT_TRUE(server_->reopen_access_log().ok());
    peer.head("/live/a");
    const std::vector<Json> all = lines();
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all.back()["Operation"], "DescribeObject");
}

TEST_F(LoggedServer, AFileThatCannotBeMadeIsToldAtStart) {
    options_.access_log = directory_ / "none/access.log";
    options_.http = Endpoint{"127.0.0.1", 0};
    auto started = start_limited_server(tree_, clock_, metrics_, options_, limits_);
    ASSERT_FALSE(started.ok());
    EXPECT_NE(started.error().message().find("none/access.log"), std::string::npos);
}

}  // namespace
}  // namespace reelfs::http
