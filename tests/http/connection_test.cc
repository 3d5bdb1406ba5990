// Connections as such: framing, limits, hostile peers, stopping. Over real sockets.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "server_fixture.h"

namespace reelfs::http {
namespace {

class Connections : public ServerTest {
  protected:
    static std::string get(const std::string& target, const std::string& more = "") {
        return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
    }
    /// Sends, and expects one refusal and the end of the connection.
    void expect_refused(const std::string& bytes, int status) {
        RawClient peer = client();
        peer.send(bytes);
        const Answer answer = peer.answer();
        EXPECT_EQ(answer.status, status) << bytes.substr(0, 200);
        EXPECT_EQ(answer.field("connection"), "close");
        EXPECT_TRUE(answer.complete);
        EXPECT_EQ(peer.receive_all(), "") << "nothing of the rest is taken for a request";
        EXPECT_EQ(peer.end(), RawClient::End::kFin);
    }
};

TEST_F(Connections, PipelinedRequestsAreAnsweredInTheirOrder) {
    std::string all;
    for (int i = 0; i < 50; ++i) {
        tree_.put("/live/" + std::to_string(i), "object " + std::to_string(i));
        all += get("/live/" + std::to_string(i));
    }
    RawClient peer = client();
    peer.send(all);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(peer.answer().body, "object " + std::to_string(i));
}

TEST_F(Connections, AHeadMayComeOneByteAtATimeAndAfterAnEmptyLine) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    for (char c : "\r\n" + get("/live/a")) peer.send(std::string_view(&c, 1));
    EXPECT_EQ(peer.answer().body, "x");
}

TEST_F(Connections, CloseIsHonouredAndHttp10ClosesUnlessItAsks) {
    tree_.put("/live/a", "x");
    RawClient closing = client();
    EXPECT_EQ(closing.get("/live/a", "Connection: close\r\n").field("connection"), "close");
    EXPECT_EQ(closing.receive_all(), "");
    EXPECT_EQ(closing.end(), RawClient::End::kFin);

    RawClient old = client();
    old.send("GET /live/a HTTP/1.0\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(old.answer().body, "x");
    EXPECT_EQ(old.receive_all(), "");

    RawClient kept = client();
    for (int i = 0; i < 3; ++i) {
        kept.send("GET /live/a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
        const Answer answer = kept.answer();
        EXPECT_EQ(answer.body, "x");
        EXPECT_EQ(answer.field("connection"), "keep-alive");
    }
}

TEST_F(Connections, WhatCouldSmuggleARequestIsRefusedAndTheConnectionCloses) {
    tree_.put("/live/a", "x");
    const std::string smuggled = get("/live/a");
    const std::string start = "POST /live/a HTTP/1.1\r\nHost: localhost\r\n";
    for (const char* fields : {
             "Transfer-Encoding: gzip\r\n",
             "Transfer-Encoding: gzip, chunked\r\n",
             "Transfer-Encoding: chunked, chunked\r\n",
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
             "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
             "Transfer-Encoding:\r\n",
             "Transfer-Encoding: xchunked\r\n",
             "Transfer-Encoding : chunked\r\n",
             "Transfer-Encoding: \"chunked\"\r\n",
             "Transfer-Encoding: chunked;q=1\r\n",
             "X: y\r\n Transfer-Encoding: chunked\r\n",
             "Content-Length: 5\r\nContent-Length: 5\r\n",
             "Content-Length: 5, 5\r\n",
             "Content-Length: +5\r\n",
             "Content-Length: 0x5\r\n",
             "Content-Length: -1\r\n",
             "Content-Length: 99999999999999999999999\r\n",
             "Content-Length: \r\n",
             "Host: other\r\n",
         })
        expect_refused(start + fields + "\r\n" + smuggled, 400);
    expect_refused(
        "POST /live/a HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
        400);
    expect_refused("GET /live/a HTTP/1.1\r\n\r\n" + smuggled, 400);
    expect_refused("GET /live/a HTTP/1.1\nHost: localhost\n\n" + smuggled, 400);
    expect_refused("GET /live/a#b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    expect_refused("GET /live/\xfc HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    expect_refused("GET /live/a\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    expect_refused("GET  /live/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    expect_refused("GET http://other/live/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
    expect_refused("GET /live/a HTTP/2.0\r\nHost: localhost\r\n\r\n", 505);
    expect_refused("\x16\x03\x01\x02", 400);
    EXPECT_EQ(tree_.opens, 0);
}

TEST_F(Connections, AnAbsoluteTargetForTheSameHostIsTheSameRequest) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    peer.send("GET http://localhost/live/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(peer.answer().body, "x");
}

TEST_F(Connections, FloodsOfHeaderBytesAreRefusedAtTheLimit) {
    expect_refused("GET /" + std::string(limits::http_target_bytes_max, 'a') +
                       " HTTP/1.1\r\nHost: localhost\r\n\r\n",
                   414);
    expect_refused("GET /" + std::string(limits::http_head_bytes_max, 'a'), 414);
    expect_refused("GET / HTTP/1.1\r\nX: " + std::string(limits::http_head_bytes_max, 'a'), 431);
    std::string many = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    while (many.size() < limits::http_head_bytes_max) many += "a:b\r\n";
    expect_refused(many, 431);
    tree_.put("/live/a", "x");
    std::string fits = "GET /live/a HTTP/1.1\r\nHost: localhost\r\n";
    while (fits.size() + 7 < limits::http_head_bytes_max) fits += "a:b\r\n";
    RawClient peer = client();
    peer.send(fits + "\r\n");
    EXPECT_EQ(peer.answer().status, 200);
}

TEST_F(Connections, ABodyTooLongToReadAwayClosesTheConnectionAfterTheResponse) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    peer.send("PUT /live/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(200'000, 'b'));
    const Answer answer = peer.answer();
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.field("connection"), "close");
    peer.finish_sending();
    EXPECT_EQ(peer.receive_all(), "");

    RawClient chunky = client();
    chunky.send("PUT /live/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(chunky.answer().status, 401);
    chunky.send("ffffff\r\n" + std::string(100'000, 'b'));
    chunky.finish_sending();
    EXPECT_EQ(chunky.receive_all(), "");
}

TEST_F(Connections, AMalformedChunkEndsTheConnection) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    peer.send(
        "GET /live/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabcX\r\n0\r\n\r\n" +
        get("/live/a"));
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(peer.receive_all(), "");
}

TEST_F(Connections, AnIdleConnectionIsClosedAndASlowHeadAnswered408) {
    limits_.network_threads = 1;
    RawClient idle = client();
    RawClient slow = client();
    EXPECT_EQ(idle.get("/~reelfs/health").status, 200);
    EXPECT_EQ(slow.get("/~reelfs/health").status, 200);
    slow.send("GET / HT");
    EXPECT_EQ(idle.get("/~reelfs/health").status, 200);  // behind it on the only thread
    clock_.advance_ms(limits_.head_ms + 1);
    EXPECT_EQ(slow.answer().status, 408);
    EXPECT_EQ(slow.receive_all(), "");
    EXPECT_EQ(idle.get("/~reelfs/health").status, 200);
    EXPECT_EQ(client().get("/~reelfs/health").status, 200);  // so `idle` is being read from again
    clock_.advance_ms(limits_.idle_ms + 1);
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_EQ(idle.end(), RawClient::End::kFin);
}

TEST_F(Connections, APeerThatTakesNothingForAMinuteIsCut) {
    tree_.put("/live/big", std::string(32 << 20, 'x'));
    RawClient peer = client(4096);
    peer.send(get("/live/big"));
    ASSERT_EQ(peer.answer_head().status, 200);
    const std::string failures =
        "reelfs_request_failures_total{door=\"http\",operation=\"GetObject\"}";
    while (metric(failures) != "1") clock_.advance_ms(limits_.stall_ms / 4);
    peer.receive_all();
    EXPECT_EQ(peer.end(), RawClient::End::kReset);
}

TEST_F(Connections, AResponseOfWhatWasReplacedTenMinutesAgoIsCutAndNoOther) {
    limits_.stall_ms = std::int64_t{1'000'000} * limits_.replaced_ms;
    const std::string content = patterned(32 << 20);
    auto stays = tree_.put("/live/stays", content);
    auto goes = tree_.put("/live/goes", content);
    RawClient of_stays = client(4096);
    RawClient of_goes = client(4096);
    of_stays.send(get("/live/stays"));
    of_goes.send(get("/live/goes"));
    ASSERT_EQ(of_stays.answer_head().status, 200);
    ASSERT_EQ(of_goes.answer_head().status, 200);
    const auto look_twice = [](FakeObject& object) {
        for (const int seen = object.renewals; object.renewals < seen + 2;)
            std::this_thread::yield();
    };
    const std::string failures =
        "reelfs_request_failures_total{door=\"http\",operation=\"GetObject\"}";
    clock_.advance_ms(limits_.replaced_ms + 1);
    look_twice(*goes);
    goes->replaced = true;
    look_twice(*goes);
    clock_.advance_ms(limits_.replaced_ms - 1'000);
    look_twice(*goes);
    EXPECT_EQ(metric(failures), "0") << "it may take that long";
    while (metric(failures) != "1") clock_.advance_ms(1'000);
    of_goes.receive_all();
    EXPECT_EQ(of_goes.end(), RawClient::End::kReset);
    EXPECT_TRUE(of_stays.receive_at_least(content.size()));
    EXPECT_TRUE(of_stays.held() == content);
}

TEST_F(Connections, SlowReadersDoNotKeepTheMemoryOfOthers) {
    limits_.window_bytes = 256 * 1024;
    limits_.bytes_in_flight_max = 512 * 1024;
    limits_.shed_ms = 1;
    const std::string content = patterned(8 << 20);
    tree_.put("/live/big", content);
    std::vector<RawClient> slow;
    for (int i = 0; i < 8; ++i) {
        slow.push_back(client(4096));
        slow.back().send(get("/live/big"));
    }
    for (RawClient& peer : slow) ASSERT_EQ(peer.answer_head().status, 200);
    RawClient quick = client();
    EXPECT_TRUE(quick.get("/live/big").body == content);
    // And none of them has lost a byte.
    std::vector<std::thread> readers;
    for (RawClient& peer : slow)
        readers.emplace_back([&peer, &content] {
            EXPECT_TRUE(peer.receive_at_least(content.size()));
            EXPECT_TRUE(peer.held() == content);
        });
    for (std::thread& reader : readers) reader.join();
}

TEST_F(Connections, WhenThePoolIsFullTheNextRequestIsAnswered503AtOnce) {
    limits_.network_threads = 1;
    limits_.pool_threads = 1;
    limits_.pool_queue_max = 1;
    auto object = tree_.put("/live/a", "x");
    object->hold_reads();
    RawClient running = client();
    RawClient queued = client();
    RawClient refused = client();
    running.send(get("/live/a"));
    object->wait_for_held_reads(1);
    queued.send(get("/live/a"));
    EXPECT_EQ(client().get("/~reelfs/health").status, 200);  // behind it on the only thread
    const Answer answer = refused.get("/live/a");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.field("retry-after"), "1");
    object->release_reads();
    EXPECT_EQ(running.answer().body, "x");
    EXPECT_EQ(queued.answer().body, "x");
    EXPECT_EQ(refused.get("/live/a").body, "x");
}

TEST_F(Connections, BeyondTheLimitOfConnectionsANewOneIsTurnedAwayWith503) {
    limits_.connections_max = 3;
    std::vector<RawClient> peers;
    for (int i = 0; i < 3; ++i) {
        peers.push_back(client());
        EXPECT_EQ(peers.back().get("/~reelfs/health").status, 200);
    }
    RawClient extra = client();
    EXPECT_EQ(extra.answer().status, 503);
    EXPECT_EQ(extra.receive_all(), "");
    peers.front().close();
    EXPECT_EQ(peers.back().get("/~reelfs/health").status, 200);
}

TEST_F(Connections, TwoThousandIdleConnectionsAreHeldAndEachStillAnswers) {
    constexpr int kPeers = 2'000;
    std::vector<RawClient> peers;
    for (int i = 0; i < kPeers; ++i) {
        peers.push_back(client());
        ASSERT_TRUE(peers.back().connected());
    }
    for (RawClient& peer : peers) peer.send(get("/~reelfs/health"));
    for (RawClient& peer : peers) ASSERT_EQ(peer.answer().status, 200);
    EXPECT_GE(std::stoi(metric("reelfs_http_connections")), kPeers);
    server_->stop(60'000);
    for (RawClient& peer : peers) {
        EXPECT_EQ(peer.receive_all(), "");
        EXPECT_EQ(peer.end(), RawClient::End::kFin);
    }
}

TEST_F(Connections, StoppingLetsAResponseUnderWayFinishWithinTheGrace) {
    auto object = tree_.put("/live/a", "x");
    object->hold_reads();
    RawClient idle = client();
    EXPECT_EQ(idle.get("/~reelfs/health").status, 200);
    RawClient busy = client();
    busy.send(get("/live/a"));
    object->wait_for_held_reads(1);
    std::thread stopper([&] { server_->stop(600'000); });
    EXPECT_EQ(idle.receive_all(), "");  // so the stop has begun
    object->release_reads();
    const Answer answer = busy.answer();
    EXPECT_EQ(answer.body, "x");
    EXPECT_EQ(busy.receive_all(), "");
    stopper.join();
    EXPECT_FALSE(RawClient(*server_->http()).connected());
}

TEST_F(Connections, AfterTheGraceAStopResetsWhatIsLeft) {
    tree_.put("/live/big", std::string(32 << 20, 'x'));
    RawClient stuck = client(4096);
    stuck.send(get("/live/big"));
    ASSERT_EQ(stuck.answer_head().status, 200);
    server_->stop(0);
    stuck.receive_all();
    EXPECT_EQ(stuck.end(), RawClient::End::kReset);
}

TEST_F(Connections, StoppingTwiceAndFromTheDestructorIsOneStop) {
    start();
    server_->stop(10);
    server_->stop(10);
    server_.reset();
}

TEST_F(Connections, AnAddressInUseIsBusyAndOneOffLoopbackNeedsAnAuthenticator) {
    start();
    ServerOptions taken;
    taken.http = server_->http();
    const auto busy = start_server(tree_, clock_, metrics_, taken);
    ASSERT_FALSE(busy.ok());
    EXPECT_EQ(busy.error().code(), Errc::kBusy);
    EXPECT_NE(busy.error().message().find("127.0.0.1:"), std::string::npos);
    for (bool admin : {false, true}) {
        ServerOptions open;
        (admin ? open.admin : open.http) = Endpoint{"0.0.0.0", 0};
        const auto refused = start_server(tree_, clock_, metrics_, open);
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().code(), Errc::kInvalid);
        EXPECT_NE(refused.error().message().find("loopback"), std::string::npos);
    }
}

TEST_F(Connections, TheServerListensOnIPv6AndByTheNameLocalhost) {
    ServerOptions options;
    options.http = Endpoint{"::1", 0};
    auto v6 = start_server(tree_, clock_, metrics_, options);
    if (v6.ok()) {
        EXPECT_EQ((*v6)->http()->address, "::1");
        EXPECT_NE((*v6)->http()->port, 0);
    } else {
        EXPECT_NE(v6.error().code(), Errc::kInvalid) << "a machine without IPv6";
    }
    options.http = Endpoint{"localhost", 0};
    auto named = start_server(tree_, clock_, metrics_, options);
    ASSERT_TRUE(named.ok());
    EXPECT_EQ(RawClient(*(*named)->http()).get("/~reelfs/health").status, 200);
    EXPECT_FALSE((*named)->admin().has_value());
}

class AdminListener : public ServerTest {};

TEST_F(AdminListener, TellsHealthReadinessAndMetrics) {
    std::string why;
    options_.degraded = [&] { return why; };
    options_.extra_metrics = [] { return std::string("reelfs_extra 7\n"); };
    tree_.put("/live/a", "hello");
    RawClient peer = client();
    peer.get("/live/a");
    peer.head("/live/a");
    peer.get("/live/none");
    RawClient admin = admin_client();
    EXPECT_EQ(admin.get("/healthz").body, "ok\n");
    EXPECT_EQ(admin.get("/readyz").status, 200);
    why = "read-only after a failed sync";
    const Answer unready = admin.get("/readyz");
    EXPECT_EQ(unready.status, 503);
    EXPECT_EQ(unready.body, "read-only after a failed sync\n");
    const Answer metrics = admin.get("/metrics");
    EXPECT_TRUE(metrics.field("content-type").starts_with("text/plain; version=0.0.4"));
    for (const char* line :
         {"reelfs_requests_total{door=\"http\",operation=\"GetObject\"} 2\n",
          "reelfs_requests_total{door=\"http\",operation=\"HeadObject\"} 1\n",
          "reelfs_request_failures_total{door=\"http\",operation=\"GetObject\"} 0\n",
          "reelfs_request_duration_seconds_count{door=\"http\",operation=\"GetObject\"} 2\n",
          "# TYPE reelfs_request_duration_seconds histogram\n", "reelfs_fake_objects 3\n",
          "# TYPE reelfs_fake_objects gauge\n", "reelfs_extra 7\n", "reelfs_http_followers 0\n"})
        EXPECT_NE(metrics.body.find(line), std::string::npos) << line << metrics.body;
    EXPECT_EQ(admin.get("/live/a").status, 404);
}

TEST_F(AdminListener, WithATokenAnswersWhoeverHasItAndNobodyElse) {
    options_.admin_token = "sixteen-or-more-of-them";
    const std::string with = "GET /metrics HTTP/1.1\r\nHost: monitor.example\r\nAuthorization: ";
    RawClient admin = admin_client();
    for (const char* wrong : {"Bearer sixteen-or-more-of-the", "Bearer sixteen-or-more-of-them2",
                              "Bearer ", "Bearer", "Basic c2l4dGVlbg==", "sixteen-or-more-of-them",
                              "Bearer x, Bearer sixteen-or-more-of-them"}) {
        admin.send(with + wrong + "\r\n\r\n");
        const Answer refused = admin.answer();
        EXPECT_EQ(refused.status, 401) << wrong;
        EXPECT_TRUE(refused.field("www-authenticate").starts_with("Bearer")) << wrong;
    }
    for (const char* path : {"/healthz", "/readyz", "/metrics", "/none"})
        EXPECT_EQ(admin.get(path).status, 401) << "a local Host is no token: " << path;
    admin.send(with + "bearer  sixteen-or-more-of-them\r\n\r\n");
    EXPECT_EQ(admin.answer().status, 200);
    // Then other machines may come.
    ServerOptions open;
    open.admin = Endpoint{"0.0.0.0", 0};
    open.admin_token = options_.admin_token;
    const auto started = start_server(tree_, clock_, metrics_, open);
    ASSERT_TRUE(started.ok()) << started.error().message();
    EXPECT_EQ(RawClient(Endpoint{"127.0.0.1", (*started)->admin()->port}).get("/metrics").status,
              401);
}

TEST_F(AdminListener, AnswersNoPageThatRebindingTurnedIntoALocalOne) {
    RawClient admin = admin_client();
    admin.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    EXPECT_EQ(admin.answer().status, 403);
}

}  // namespace
}  // namespace reelfs::http
