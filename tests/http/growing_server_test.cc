// GET of a file that grows, over real sockets: every byte when it is written, and never an end that
// looks like the whole when it is not.
#include <gtest/gtest.h>

#include <thread>

#include "server_fixture.h"

namespace reelfs::http {
namespace {

class GrowingServer : public ServerTest {
  protected:
    static constexpr std::string_view kGet = "GET /live/a.ts HTTP/1.1\r\nHost: localhost\r\n\r\n";
};

TEST_F(GrowingServer, ForwardsEachByteWhenItIsWrittenAndEndsWithTheLastChunk) {
    auto object = tree_.put_growing("/live/a.ts", "ab");
    RawClient peer = client();
    peer.send(kGet);
    const Answer head = peer.answer_head();
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.field("transfer-encoding"), "chunked");
    EXPECT_EQ(head.field("content-type"), "video/mp2t");
    EXPECT_FALSE(head.has("etag"));
    EXPECT_FALSE(head.has("content-length"));
    const std::string first = "2\r\nab\r\n";
    ASSERT_TRUE(peer.receive_at_least(first.size()));
    EXPECT_EQ(peer.take(first.size()), first);
    for (char c : std::string("cdef")) {
        object->append(std::string(1, c));
        const std::string chunk = std::string("1\r\n") + c + "\r\n";
        ASSERT_TRUE(peer.receive_at_least(chunk.size()));
        EXPECT_EQ(peer.take(chunk.size()), chunk);
    }
    object->finish();
    ASSERT_TRUE(peer.receive_at_least(5));
    EXPECT_EQ(peer.take(5), "0\r\n\r\n");
    const Answer finished = peer.get("/live/a.ts");
    EXPECT_EQ(finished.body, "abcdef") << "the connection goes on";
    EXPECT_TRUE(finished.has("etag"));
}

TEST_F(GrowingServer, HeadersComeBeforeTheFirstByteIsWritten) {
    auto object = tree_.put_growing("/live/a.ts", "");
    RawClient peer = client();
    peer.send(kGet);
    EXPECT_EQ(peer.answer_head().status, 200);
    object->append("x");
    ASSERT_TRUE(peer.receive_until("1\r\nx\r\n"));
    object->finish();
    EXPECT_TRUE(peer.receive_until("0\r\n\r\n"));
}

TEST_F(GrowingServer, CatchesUpWithALargeFileAndThenFollows) {
    limits_.window_bytes = 16'384;
    limits_.bytes_in_flight_max = 40'000;
    const std::string content = patterned(3'000'000);
    auto object = tree_.put_growing("/live/a.ts", content.substr(0, 2'000'000));
    object->in_memory = false;
    RawClient peer = client();
    std::thread writer([&] {
        object->wait_for_followers(1);
        for (std::size_t at = 2'000'000; at < content.size(); at += 10'000)
            object->append(content.substr(at, 10'000));
        object->finish();
    });
    const Answer answer = peer.get("/live/a.ts");
    writer.join();
    EXPECT_TRUE(answer.complete);
    EXPECT_TRUE(answer.body == content);
}

TEST_F(GrowingServer, ACutEndsInAResetWithoutALastChunk) {
    auto object = tree_.put_growing("/live/a.ts", "ab");
    RawClient peer = client();
    peer.send(kGet);
    ASSERT_EQ(peer.answer_head().status, 200);
    object->wait_for_followers(1);
    object->cut();
    const std::string rest = peer.receive_all();
    EXPECT_EQ(rest.find("0\r\n"), std::string::npos);
    EXPECT_EQ(peer.end(), RawClient::End::kReset);
    object->wait_for_readers(0);
}

TEST_F(GrowingServer, AnIdleTailEndsInAResetAfterItsTimeAndNotBefore) {
    auto object = tree_.put_growing("/live/a.ts", "ab");
    RawClient peer = client();
    peer.send(kGet);
    ASSERT_EQ(peer.answer_head().status, 200);
    for (int i = 0; i < 4; ++i) {
        object->wait_for_followers(1);
        clock_.advance_ms(limits_.follow_idle_ms * 8 / 10);
        object->append("x");
        ASSERT_TRUE(peer.receive_until("1\r\nx\r\n")) << "each write starts the time anew";
        peer.take(peer.held().size());
    }
    object->wait_for_followers(1);
    clock_.advance_ms(limits_.follow_idle_ms + 1);
    peer.receive_all();
    EXPECT_EQ(peer.end(), RawClient::End::kReset);
    object->wait_for_readers(0);
}

TEST_F(GrowingServer, AStoppingServerResetsItsFollowersAtOnce) {
    auto object = tree_.put_growing("/live/a.ts", "ab");
    RawClient peer = client();
    peer.send(kGet);
    ASSERT_EQ(peer.answer_head().status, 200);
    object->wait_for_followers(1);
    server_->stop(600'000);
    peer.receive_all();
    EXPECT_EQ(peer.end(), RawClient::End::kReset);
}

TEST_F(GrowingServer, APeerOfHttp10GetsABodyEndedByCloseWhenWholeAndByResetWhenNot) {
    constexpr std::string_view kOld = "GET /live/a.ts HTTP/1.0\r\nHost: localhost\r\n\r\n";
    for (bool whole : {true, false}) {
        auto object = tree_.put_growing("/live/a.ts", "ab");
        RawClient peer = client();
        peer.send(kOld);
        const Answer head = peer.answer_head();
        EXPECT_EQ(head.status, 200);
        EXPECT_FALSE(head.has("transfer-encoding"));
        EXPECT_EQ(head.field("connection"), "close");
        object->append("cd");
        ASSERT_TRUE(peer.receive_at_least(4));
        EXPECT_EQ(peer.held(), "abcd");
        if (whole) {
            object->finish();
        } else {
            object->cut();
        }
        peer.receive_all();
        EXPECT_EQ(peer.end(), whole ? RawClient::End::kFin : RawClient::End::kReset);
    }
}

TEST_F(GrowingServer, APeerThatLeavesWhileNothingIsWrittenReleasesEverything) {
    auto object = tree_.put_growing("/live/a.ts", "ab");
    for (bool abruptly : {true, false}) {
        RawClient peer = client();
        peer.send(kGet);
        ASSERT_TRUE(peer.receive_until("ab\r\n"));
        object->wait_for_followers(1);
        if (abruptly) {
            peer.abort();
        } else {
            peer.close();
        }
        object->wait_for_followers(0);
        object->wait_for_readers(0);
    }
    EXPECT_EQ(metric("reelfs_http_followers"), "0");
}

TEST_F(GrowingServer, ARequestPipelinedBehindAFollowerIsAnsweredAfterIt) {
    auto object = tree_.put_growing("/live/a.ts", "ab");
    tree_.put("/live/b", "second");
    RawClient peer = client();
    peer.send(kGet);
    ASSERT_TRUE(peer.receive_until("ab\r\n"));
    object->wait_for_followers(1);
    peer.send("GET /live/b HTTP/1.1\r\nHost: localhost\r\n");
    object->append("c");
    ASSERT_TRUE(peer.receive_until("1\r\nc\r\n"));
    peer.send("\r\n");
    object->finish();
    EXPECT_EQ(peer.answer().body, "abc");
    EXPECT_EQ(peer.answer().body, "second");
}

TEST_F(GrowingServer, HeadOfAGrowingFileHasNoLengthAndNoBody) {
    tree_.put_growing("/live/a.ts", "ab");
    tree_.put("/live/b", "x");
    RawClient peer = client();
    const Answer answer = peer.head("/live/a.ts");
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.has("content-length"));
    EXPECT_FALSE(answer.has("etag"));
    EXPECT_EQ(peer.get("/live/b").body, "x");
}

TEST_F(GrowingServer, RangesFollowTheTableForGrowingFiles) {
    auto object = tree_.put_growing("/live/a.ts", "0123456789");
    RawClient peer = client();
    const Answer written = peer.get("/live/a.ts", "Range: bytes=2-4\r\n");
    EXPECT_EQ(written.status, 206);
    EXPECT_EQ(written.field("content-range"), "bytes 2-4/*");
    EXPECT_EQ(written.body, "234");
    const Answer open = peer.get("/live/a.ts", "Range: bytes=7-\r\n");
    EXPECT_EQ(open.status, 206);
    EXPECT_EQ(open.field("content-range"), "bytes 7-9/*");
    EXPECT_EQ(open.body, "789");
    EXPECT_EQ(peer.get("/live/a.ts", "Range: bytes=10-\r\n").status, 416);

    peer.send(
        "GET /live/a.ts HTTP/1.1\r\nHost: localhost\r\n"
        "Range: bytes=8-9223372036854775807\r\n\r\n");
    const Answer following = peer.answer_head();
    EXPECT_EQ(following.status, 206);
    EXPECT_EQ(following.field("content-range"), "bytes 8-9223372036854775807/*");
    EXPECT_EQ(following.field("transfer-encoding"), "chunked");
    ASSERT_TRUE(peer.receive_until("2\r\n89\r\n"));
    object->append("x");
    ASSERT_TRUE(peer.receive_until("1\r\nx\r\n"));
    object->finish();
    EXPECT_TRUE(peer.receive_until("0\r\n\r\n"));
}

TEST_F(GrowingServer, ManyFollowersOfOneFileAllGetEveryByte) {
    constexpr int kPeers = 200;
    auto object = tree_.put_growing("/live/a.ts", "start ");
    std::vector<RawClient> peers;
    for (int i = 0; i < kPeers; ++i) {
        peers.push_back(client());
        peers.back().send(kGet);
    }
    for (RawClient& peer : peers) ASSERT_TRUE(peer.receive_until("start \r\n"));
    std::string expected = "start ";
    for (int i = 0; i < 50; ++i) {
        object->append("piece ");
        expected += "piece ";
    }
    object->finish();
    for (RawClient& peer : peers) {
        const Answer answer = peer.answer();
        EXPECT_TRUE(answer.complete);
        EXPECT_EQ(answer.body, expected);
    }
    EXPECT_EQ(metric("reelfs_requests_total{door=\"http\",operation=\"FollowObject\"}"), "200");
}

}  // namespace
}  // namespace reelfs::http
