// Requests that wait, over real sockets: a playlist until it has the part asked for, an object
// until it is there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "server_fixture.h"

namespace reelfs::http {
namespace {

/// A low-latency playlist with `whole` whole segments of two parts each and `parts` of the next.
std::string playlist(int whole, int parts, bool ended = false) {
    std::string text =
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3\n"
        "#EXT-X-PART-INF:PART-TARGET=1\n#EXT-X-MEDIA-SEQUENCE:0\n";
    const auto part = [&](int segment, int number) {
        text += fmt::format("#EXT-X-PART:DURATION=1,URI=\"{}.{}.m4s\"\n", segment, number);
    };
    for (int i = 0; i < whole; ++i) {
        part(i, 0);
        part(i, 1);
        text += fmt::format("#EXTINF:2,\n{}.m4s\n", i);
    }
    for (int i = 0; i < parts; ++i) part(whole, i);
    if (ended) text += "#EXT-X-ENDLIST\n";
    return text;
}

class HeldServer : public ServerTest {
  protected:
    static constexpr const char* kPath = "/live/a.m3u8";
    std::string get_of(std::string_view query, std::string_view path = kPath) {
        return fmt::format("GET {}{} HTTP/1.1\r\nHost: localhost\r\n\r\n", path, query);
    }
    RawClient held(std::string_view query, std::string_view path = kPath) {
        RawClient peer = client();
        peer.send(get_of(query, path));
        return peer;
    }
    /// A request is counted a moment after its watch is laid, and until a moment after it is gone.
    void wait_for_held(int count) {
        while (metric("reelfs_http_held_requests") != std::to_string(count)) {
        }
    }
    Answer ask(std::string_view query, std::string_view path = kPath) {
        RawClient peer = client();
        peer.send(get_of(query, path));
        return peer.answer();
    }
};

TEST_F(HeldServer, APlaylistIsHeldUntilItsNameLeadsToOneThatHasThePart) {
    tree_.put(kPath, playlist(3, 0));
    RawClient first = held("?_HLS_msn=3&_HLS_part=0"), second = held("?_HLS_msn=3&_HLS_part=1"),
              third = held("?_HLS_msn=3");
    tree_.wait_for_watches(3);
    tree_.put(kPath, playlist(3, 1));
    EXPECT_EQ(first.answer().body, playlist(3, 1));
    tree_.wait_for_watches(2);
    wait_for_held(2);
    tree_.put(kPath, playlist(3, 2));
    EXPECT_EQ(second.answer().body, playlist(3, 2));
    tree_.put(kPath, playlist(4, 0));
    const Answer answer = third.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, playlist(4, 0));
    EXPECT_EQ(answer.field("cache-control"), "max-age=1");
    EXPECT_EQ(third.get("/live/a.m3u8").status, 200) << "the connection goes on";
    tree_.wait_for_watches(0);
    wait_for_held(0);
}

TEST_F(HeldServer, WhatIsThereIsAnsweredAtOnceAlsoFromDisk) {
    for (bool in_memory : {true, false}) {
        auto object = tree_.put(kPath, playlist(3, 1));
        object->in_memory = in_memory;
        tree_.names_in_memory = in_memory;
        for (const char* query : {"?_HLS_msn=2", "?_HLS_msn=0&_HLS_part=7",
                                  "?_HLS_msn=3&_HLS_part=0", "?a=b&_HLS_msn=2&_HLS_skip=YES"}) {
            const Answer answer = ask(query);
            EXPECT_EQ(answer.status, 200) << query;
            EXPECT_EQ(answer.body, playlist(3, 1));
        }
    }
    tree_.put(kPath, playlist(3, 0, true));
    EXPECT_EQ(ask("?_HLS_msn=99&_HLS_part=9").body, playlist(3, 0, true)) << "it has ended";
}

TEST_F(HeldServer, APartWithoutItsSegmentOrFarAheadIsABadRequest) {
    tree_.put(kPath, playlist(3, 1));
    for (const char* query :
         {"?_HLS_part=1", "?_HLS_msn=x", "?_HLS_msn=3&_HLS_part=-1", "?_HLS_msn=%zz",
          "?_HLS_msn=", "?_HLS_msn=5", "?_HLS_msn=3&_HLS_part=4", "?_HLS_msn=99999999999999999999"})
        EXPECT_EQ(ask(query).status, 400) << query;
}

TEST_F(HeldServer, AHalfWrittenPlaylistIsNotLookedAt) {
    tree_.put(kPath, playlist(3, 0));
    RawClient peer = held("?_HLS_msn=3&_HLS_part=0");
    tree_.wait_for_watches(1);
    // Rewritten in place: created anew, then growing, then closed.
    tree_.put_growing(kPath, playlist(3, 1));
    auto open =
        tree_.put_being_written(kPath, playlist(3, 1) + "#EXT-X-PART:DURATION=1,URI=\"half");
    open->set_content(playlist(3, 2));
    open->set_being_written(false);
    tree_.tell(kPath);
    EXPECT_EQ(peer.answer().body, playlist(3, 2));
}

TEST_F(HeldServer, WhatIsNoMediaPlaylistIsAnsweredAtOnce) {
    for (const std::string& text :
         {std::string("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"), std::string("text"),
          std::string()}) {
        tree_.put(kPath, text);
        EXPECT_EQ(ask("?_HLS_msn=99").body, text);
    }
    tree_.put("/live/a.ts", "x");
    EXPECT_EQ(ask("?_HLS_part=99", "/live/a.ts").body, "x")
        << "the query of a segment says nothing";
}

TEST_F(HeldServer, APlaylistThatDoesNotComeSoFarInTimeIs503) {
    limits_.playlist_hold_ms_max = 30;
    tree_.put(kPath, playlist(3, 0));
    RawClient peer = held("?_HLS_msn=3");
    EXPECT_EQ(peer.answer().status, 503);
    EXPECT_EQ(peer.get("/live/a.m3u8").status, 200) << "the connection goes on";
    tree_.wait_for_watches(0);
}

TEST_F(HeldServer, NobodyIsHeldWhoMayNotRead) {
    auto object = tree_.put(kPath, playlist(3, 0));
    object->readable = false;
    EXPECT_EQ(ask("?_HLS_msn=3").status, 403);
    tree_.wait_for_watches(0);
    object->readable = true;
    RawClient peer = held("?_HLS_msn=3");
    tree_.wait_for_watches(1);
    object->readable = false;
    tree_.tell(kPath);
    EXPECT_EQ(peer.answer().status, 403) << "the right is asked for at each look";
}

TEST_F(HeldServer, HeldRequestsAreBounded) {
    limits_.held_max = 2;
    tree_.put(kPath, playlist(3, 0));
    RawClient first = held("?_HLS_msn=3"), second = held("?_HLS_msn=3");
    tree_.wait_for_watches(2);
    wait_for_held(2);
    EXPECT_EQ(ask("?_HLS_msn=3").status, 503);
    EXPECT_EQ(ask("?_HLS_msn=2").status, 200) << "what is there needs no place";
    tree_.put(kPath, playlist(4, 0));
    EXPECT_EQ(first.answer().status, 200);
    EXPECT_EQ(second.answer().status, 200);
}

TEST_F(HeldServer, APeerThatLeavesIsReleased) {
    tree_.put(kPath, playlist(3, 0));
    for (bool abruptly : {true, false}) {
        RawClient peer = held("?_HLS_msn=3");
        tree_.wait_for_watches(1);
        if (abruptly) {
            peer.abort();
        } else {
            peer.close();
        }
        tree_.wait_for_watches(0);
    }
    wait_for_held(0);
}

TEST_F(HeldServer, AStoppingServerReleasesThem) {
    tree_.put(kPath, playlist(3, 0));
    RawClient peer = held("?_HLS_msn=3");
    tree_.wait_for_watches(1);
    server_->stop(600'000);
    tree_.wait_for_watches(0);
}

TEST_F(HeldServer, AStoppingServerReleasesAlsoWhoHasSentManyRequestsAhead) {
    tree_.put(kPath, playlist(3, 0));
    std::vector<RawClient> peers;
    for (int i = 0; i < 4; ++i) {
        peers.push_back(held("?_HLS_msn=3"));
        std::string ahead;
        while (ahead.size() < 2 * limits::http_head_bytes_max) ahead += get_of("");
        peers.back().send(ahead);
    }
    tree_.wait_for_watches(4);
    server_->stop(600'000);
    tree_.wait_for_watches(0);
}

TEST_F(HeldServer, AnObjectThatIsNotThereIsHeldWhereARuleSaysSo) {
    EXPECT_EQ(ask("", "/live/1.m4s").status, 404) << "no rule";
    tree_.about_absent.delivery.hold_ms = 600'000;
    RawClient peer = held("", "/live/1.m4s");
    tree_.wait_for_watches(1);
    tree_.put("/live/1.m4s", "part");
    EXPECT_EQ(peer.answer().body, "part");
    EXPECT_EQ(client().head("/live/2.m4s").status, 404) << "HEAD is not held";
    tree_.about_absent.delivery.hold_ms = 20;
    EXPECT_EQ(ask("", "/live/3.m4s").status, 404) << "not there in time";
    tree_.wait_for_watches(0);
}

TEST_F(HeldServer, ARangeBehindTheEndOfAGrowingFileIsHeldWhereARuleSaysSo) {
    auto object = tree_.put_growing("/live/a.m4s", "0123");
    object->delivery.hold_ms = 600'000;
    RawClient peer = client();
    peer.send("GET /live/a.m4s HTTP/1.1\r\nHost: localhost\r\nRange: bytes=4-\r\n\r\n");
    object->wait_for_followers(1);
    object->append("45");
    const Answer answer = peer.answer();
    EXPECT_EQ(answer.status, 206);
    EXPECT_EQ(answer.body, "45");
    peer.send("GET /live/a.m4s HTTP/1.1\r\nHost: localhost\r\nRange: bytes=6-\r\n\r\n");
    object->wait_for_followers(1);
    object->finish();
    EXPECT_EQ(peer.answer().status, 416);
}

TEST_F(HeldServer, ManyHeldRequestsAreAllAnswered) {
    constexpr int kPeers = 200;
    auto object = tree_.put(kPath, playlist(3, 0));
    std::vector<RawClient> peers;
    for (int i = 0; i < kPeers; ++i) peers.push_back(held("?_HLS_msn=3&_HLS_part=0"));
    tree_.wait_for_watches(kPeers);
    tree_.put(kPath, playlist(3, 1));
    for (RawClient& peer : peers) EXPECT_EQ(peer.answer().body, playlist(3, 1));
    tree_.wait_for_watches(0);
}

TEST_F(HeldServer, DeliveryRulesSayWhatHeadersSayUnlessTheObjectDoes) {
    auto object = tree_.put("/live/a.ts", "x");
    object->delivery = {"max-age=60, immutable", "", "video/x", 0};
    Answer answer = client().get("/live/a.ts");
    EXPECT_EQ(answer.field("cache-control"), "max-age=60, immutable");
    EXPECT_EQ(answer.field("content-type"), "video/x");
    object->mime_type = "video/stored";
    object->cache_control = "no-store";
    answer = client().get("/live/a.ts");
    EXPECT_EQ(answer.field("cache-control"), "no-store") << "what was stored always wins";
    EXPECT_EQ(answer.field("content-type"), "video/x") << "a rule overrides what is stored";
    tree_.put("/live/b.m3u8", "x")->delivery.cache_control = "max-age=9";
    EXPECT_EQ(client().get("/live/b.m3u8").field("cache-control"), "max-age=9");
}

TEST_F(HeldServer, ANotFoundBeneathALiveFolderIsShortLivedAndOtherwiseSaysNothing) {
    EXPECT_FALSE(client().get("/live/none").has("cache-control"));
    tree_.about_absent.beneath_live_folder = true;
    EXPECT_EQ(client().get("/live/none").field("cache-control"), "max-age=1");
    EXPECT_EQ(client().head("/live/none").field("cache-control"), "max-age=1");
    tree_.about_absent.delivery.not_found_cache_control = "no-store";
    EXPECT_EQ(client().get("/live/none").field("cache-control"), "no-store");
}

}  // namespace
}  // namespace reelfs::http
