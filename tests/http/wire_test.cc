// The rules of the wire over real sockets, one row each: what the request gate refuses (and that
// nothing behind it is taken for a request), what a Range gets of a finished and of a growing file,
// what both versions of HTTP make of a connection, and where an error leaves it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server_fixture.h"

namespace reelfs::http {
namespace {

using namespace std::string_literals;

class Wire : public ServerTest {
  protected:
    Wire() { tree_.put("/live/a", "0123456789"); }
    static std::string get(const std::string& more = "") {
        return "GET /live/a HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
    }
    static std::string body_head(const std::string& more) {
        return "GET /live/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" + more +
               "\r\n";
    }
};

// The gate

struct Refused {
    std::string why;
    std::string head;  // to its empty line
    int status = 400;
};

const std::string kLine = "GET /live/a HTTP/1.1\r\n";
const std::string kHost = "Host: localhost\r\n";
const std::string kStart = kLine + kHost;

std::vector<Refused> refused_heads() {
    return {
        {"a coding other than chunked", kStart + "Transfer-Encoding: gzip\r\n"},
        {"identity", kStart + "Transfer-Encoding: identity\r\n"},
        {"a coding before chunked", kStart + "Transfer-Encoding: gzip, chunked\r\n"},
        {"chunked twice in a line", kStart + "Transfer-Encoding: chunked, chunked\r\n"},
        {"chunked in two lines",
         kStart + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
        {"chunked with a parameter", kStart + "Transfer-Encoding: chunked;a=b\r\n"},
        {"an empty coding", kStart + "Transfer-Encoding:\r\n"},
        {"chunked with a vertical tab", kStart + "Transfer-Encoding: \vchunked\r\n"},
        {"both framings", kStart + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"},
        {"both framings, the other way",
         kStart + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"},
        {"chunked under 1.0",
         "GET /live/a HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n"},
        {"two lengths", kStart + "Content-Length: 0\r\nContent-Length: 4\r\n"},
        {"two equal lengths", kStart + "Content-Length: 0\r\nContent-Length: 0\r\n"},
        {"a list of lengths", kStart + "Content-Length: 0, 0\r\n"},
        {"a signed length", kStart + "Content-Length: +0\r\n"},
        {"a negative length", kStart + "Content-Length: -0\r\n"},
        {"a hexadecimal length", kStart + "Content-Length: 0x0\r\n"},
        {"a length with a blank", kStart + "Content-Length: 0 0\r\n"},
        {"a length beyond 64 bits", kStart + "Content-Length: 18446744073709551616\r\n"},
        {"an empty length", kStart + "Content-Length:\r\n"},
        {"no host", kLine},
        {"no host under 1.0", "GET /live/a HTTP/1.0\r\n"},
        {"two hosts", kStart + "Host: localhost\r\n"},
        {"a host with a path", kLine + "Host: localhost/x\r\n"},
        {"a host with a user", kLine + "Host: a@localhost\r\n"},
        {"a host with a blank", kLine + "Host: local host\r\n"},
        {"a folded line", kStart + "X: a\r\n b\r\n"},
        {"a line folded by a tab", kStart + "X: a\r\n\tb\r\n"},
        {"a folded first line", kLine + " X: a\r\n" + kHost},
        {"a blank before the colon", kStart + "X : a\r\n"},
        {"a tab before the colon", kStart + "X\t: a\r\n"},
        {"a line without a colon", kStart + "X\r\n"},
        {"a name of nothing", kStart + ": a\r\n"},
        {"a name that is no token", kStart + "X(: a\r\n"},
        {"an 8-bit name", kStart + "X\xe4: a\r\n"},
        {"NUL in a value", kStart + "X: a\0b\r\n"s},
        {"CR in a value", kStart + "X: a\rb\r\n"},
        {"an escape in a value", kStart + "X: a\x1b\r\n"},
        {"DEL in a value", kStart + "X: a\x7f\r\n"},
        {"a bare LF", kStart + "X: a\n"},
        {"a control byte in the target", "GET /live/a\x01 HTTP/1.1\r\n" + kHost},
        {"NUL in the target", "GET /live/a\0 HTTP/1.1\r\n"s + kHost},
        {"DEL in the target", "GET /live/a\x7f HTTP/1.1\r\n" + kHost},
        {"an 8-bit byte in the target", "GET /live/\xc3\xa4 HTTP/1.1\r\n" + kHost},
        {"a fragment", "GET /live/a#b HTTP/1.1\r\n" + kHost},
        {"a tab in the request line", "GET\t/live/a HTTP/1.1\r\n" + kHost},
        {"two blanks", "GET  /live/a HTTP/1.1\r\n" + kHost},
        {"a blank at the end", "GET /live/a HTTP/1.1 \r\n" + kHost},
        {"a blank within the target", "GET /live/a b HTTP/1.1\r\n" + kHost},
        {"a target without a slash", "GET live/a HTTP/1.1\r\n" + kHost},
        {"* for another method than OPTIONS", "GET * HTTP/1.1\r\n" + kHost},
        {"an authority", "CONNECT localhost:80 HTTP/1.1\r\n" + kHost},
        {"an absolute target of another host", "GET http://other/live/a HTTP/1.1\r\n" + kHost},
        {"an absolute target of another port",
         "GET http://localhost:1/live/a HTTP/1.1\r\n" + kHost},
        {"an absolute target with a user", "GET http://a@localhost/live/a HTTP/1.1\r\n" + kHost},
        {"another scheme", "GET ftp://localhost/live/a HTTP/1.1\r\n" + kHost},
        {"a method that is no token", "GE(T /live/a HTTP/1.1\r\n" + kHost},
        {"a method of nothing", " /live/a HTTP/1.1\r\n" + kHost},
        {"a very long method", std::string(33, 'G') + " /live/a HTTP/1.1\r\n" + kHost},
        {"no version", "GET /live/a\r\n" + kHost},
        {"a version in lower case", "GET /live/a http/1.1\r\n" + kHost},
        {"a version of two digits", "GET /live/a HTTP/1.10\r\n" + kHost},
        {"HTTP/0.9", "GET /live/a HTTP/0.9\r\n" + kHost, 505},
        {"HTTP/1.2", "GET /live/a HTTP/1.2\r\n" + kHost, 505},
        {"HTTP/2", "PRI * HTTP/2.0\r\n", 505},
        {"a long target",
         "GET /" + std::string(limits::http_target_bytes_max, 'a') + " HTTP/1.1\r\n" + kHost, 414},
        {"a long head", kStart + "X: " + std::string(limits::http_head_bytes_max, 'a') + "\r\n",
         431},
    };
}

TEST_F(Wire, EveryRuleOfTheGateRefusesAndCloses) {
    for (const Refused& one : refused_heads()) {
        RawClient peer = client();
        peer.send(one.head + "\r\n" + get());
        const Answer answer = peer.answer();
        EXPECT_EQ(answer.status, one.status) << one.why;
        EXPECT_EQ(answer.field("connection"), "close") << one.why;
        EXPECT_EQ(answer.field("x-amzn-errortype"), "ValidationException") << one.why;
        EXPECT_TRUE(answer.has("date") && answer.has("x-amzn-requestid")) << one.why;
        EXPECT_TRUE(answer.complete) << one.why;
        peer.finish_sending();
        EXPECT_EQ(peer.receive_all(), "") << one.why << ": what follows is no request";
    }
    EXPECT_EQ(tree_.opens, 0) << "refused before anything was looked up";
    EXPECT_EQ(client().get("/live/a").status, 200);
}

TEST_F(Wire, WhatTheGateMustLetThroughPasses) {
    for (const std::string& head : {
             kStart,
             kStart + "Transfer-Encoding: Chunked\r\n",
             kStart + "transfer-encoding:chunked\r\n",
             kStart + "Content-Length: 0005\r\n",
             kStart + "X:\r\n",
             kStart + "X: \t a\tb \r\n",
             kStart + "X: \xc3\xa4\r\n",
             kStart + "X: a\r\nX: b\r\n",
             kLine + "hOsT: localhost\r\n",
             "GET http://localhost/live/a HTTP/1.1\r\n" + kHost,
             "GET HTTP://LocalHost/live/a HTTP/1.1\r\n" + kHost,
             "GET https://localhost/live/a HTTP/1.1\r\n" + kHost,
             "GET /live/a?x=%00&y=/../ HTTP/1.1\r\n" + kHost,
         }) {
        RawClient peer = client();
        const bool chunked = head.find("hunked") != std::string::npos;
        const bool length = head.find("0005") != std::string::npos;
        peer.send(head + "\r\n" + (chunked ? "0\r\n\r\n" : length ? "GET /" : "") + get());
        EXPECT_EQ(peer.answer().status, 200) << head;
        EXPECT_EQ(peer.answer().body, "0123456789") << head << ": the next request is found";
    }
}

// Bodies nobody asked for

TEST_F(Wire, ABodyThatIsNotWantedIsReadAwayToItsExactEnd) {
    for (const std::string& body :
         {"0\r\n\r\n"s, "5\r\nGET /\r\n0\r\n\r\n"s, "00005;a=\"\r\r\"\r\n"s,
          "5;x=y\r\nhello\r\n0;z\r\nTrailer: GET /live/a HTTP/1.1\r\n\r\n"s}) {
        RawClient peer = client();
        peer.send(body_head("") + body + get());
        EXPECT_EQ(peer.answer().status, 200) << body;
        if (body.find("\r\r") == std::string::npos) {
            EXPECT_EQ(peer.answer().body, "0123456789") << body;
        } else {
            EXPECT_EQ(peer.receive_all(), "") << body << ": malformed, so the end is not known";
        }
    }
}

TEST_F(Wire, EndlessExtensionsAndTrailersEndTheConnection) {
    for (const std::string& body :
         {"1;" + std::string(2 * limits::http_chunk_extension_bytes_max, 'e'),
          "0\r\nT: " + std::string(2 * limits::http_trailer_bytes_max, 't'),
          std::string(17, '0') + "\r\n"}) {
        RawClient peer = client();
        peer.send(body_head("") + body);
        EXPECT_EQ(peer.answer().status, 200);
        peer.finish_sending();
        EXPECT_EQ(peer.receive_all(), "");
    }
    std::string many;  // within each chunk few, together too many
    for (std::size_t bytes = 0; bytes <= limits::http_chunk_extension_bytes_max; bytes += 8)
        many += "1;234567\r\nx\r\n";
    RawClient peer = client();
    peer.send(body_head("") + many + "0\r\n\r\n" + get());
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(peer.receive_all(), "");
}

// Connections

TEST_F(Wire, AnErrorLeavesTheConnectionInStep) {
    RawClient peer = client();
    for (const char* target : {"/live/none", "/nowhere/a", "/live/../a", "/", "/live/%zz"}) {
        const Answer answer = peer.get(target);
        EXPECT_GE(answer.status, 400) << target;
        EXPECT_TRUE(answer.complete) << target;
        EXPECT_EQ(answer.field("content-type"), "application/json") << target;
        EXPECT_FALSE(answer.has("connection")) << target;
    }
    EXPECT_EQ(peer.head("/live/none").status, 404);
    peer.send("PATCH /live/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nGET " + get());
    EXPECT_EQ(peer.answer().status, 405);
    EXPECT_EQ(peer.answer().body, "0123456789");
    // Pipelined, an error between two others.
    peer.send(get() + "GET /live/none HTTP/1.1\r\nHost: localhost\r\n\r\n" + get());
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(peer.answer().status, 404);
    EXPECT_EQ(peer.answer().status, 200);
}

TEST_F(Wire, Http10GetsNoChunksAndIsClosedUnlessItAsks) {
    const std::string old = "GET /live/a HTTP/1.0\r\nHost: localhost\r\n";
    RawClient closed = client();
    closed.send(old + "\r\n" + get());
    const Answer answer = closed.answer();
    EXPECT_EQ(answer.body, "0123456789");
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_EQ(closed.receive_all(), "");
    RawClient kept = client();
    kept.send(old + "Connection: Keep-Alive\r\n\r\n" + old + "\r\n");
    EXPECT_EQ(kept.answer().field("connection"), "keep-alive");
    EXPECT_EQ(kept.answer().field("connection"), "close");
    EXPECT_EQ(kept.receive_all(), "");
    // 1.0 knows no 100-continue: the body comes unasked.
    RawClient expecting = client();
    expecting.send(old + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx");
    EXPECT_EQ(expecting.answer().status, 200);
}

TEST_F(Wire, WhoHasFinishedSendingStillGetsAllAnswers) {
    RawClient peer = client();
    peer.send(get() + get() + get());
    peer.finish_sending();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(peer.answer().body, "0123456789");
    EXPECT_EQ(peer.receive_all(), "");
    EXPECT_EQ(peer.end(), RawClient::End::kFin);
}

// Ranges

struct Row {
    std::string range;
    int status;
    std::string content_range;  // "" for none
    std::string body;
};

TEST_F(Wire, EveryRowOfTheRangeTableForAFinishedFile) {
    const std::string all = "0123456789";
    const std::vector<Row> rows{
        {"bytes=0-0", 206, "bytes 0-0/10", "0"},
        {"bytes=2-4", 206, "bytes 2-4/10", "234"},
        {"bytes=0-", 206, "bytes 0-9/10", all},
        {"bytes=9-", 206, "bytes 9-9/10", "9"},
        {"bytes=5-999999999999999999999", 206, "bytes 5-9/10", "56789"},
        {"bytes=-3", 206, "bytes 7-9/10", "789"},
        {"bytes=-10", 206, "bytes 0-9/10", all},
        {"bytes=-11", 206, "bytes 0-9/10", all},
        {"BYTES=1-1", 206, "bytes 1-1/10", "1"},
        {"bytes= 1-1 ", 206, "bytes 1-1/10", "1"},
        {"bytes=0-1,1-3", 206, "bytes 0-3/10", "0123"},  // joined
        {"bytes=0-1,2-3", 206, "bytes 0-3/10", "0123"},  // touching
        {"bytes=5-6,12-", 206, "bytes 5-6/10", "56"},    // one of them satisfiable
        {"bytes=10-", 416, "bytes */10", ""},
        {"bytes=10-20", 416, "bytes */10", ""},
        {"bytes=-0", 416, "bytes */10", ""},
        {"bytes=10-,20-", 416, "bytes */10", ""},
        {"bytes=4-2", 200, "", all},
        {"bytes=", 200, "", all},
        {"bytes=-", 200, "", all},
        {"bytes=a-b", 200, "", all},
        {"bytes=1-2x", 200, "", all},
        {"bytes=1", 200, "", all},
        {"bytes 1-2", 200, "", all},
        {"items=1-2", 200, "", all},
        {"bytes=1-2,x", 200, "", all},
    };
    RawClient peer = client();
    for (const Row& row : rows) {
        const Answer answer = peer.get("/live/a", "Range: " + row.range + "\r\n");
        EXPECT_EQ(answer.status, row.status) << row.range;
        EXPECT_EQ(answer.field("content-range"), row.content_range) << row.range;
        if (row.status != 416) {
            EXPECT_EQ(answer.body, row.body) << row.range;
        }
        EXPECT_TRUE(answer.complete) << row.range;
    }
    EXPECT_EQ(peer.get("/live/a", "Range: bytes=0-1\r\nRange: bytes=5-6\r\n").status, 200)
        << "a field that stands twice";
    EXPECT_EQ(peer.head("/live/a", "Range: bytes=0-1\r\n").field("content-length"), "10");
}

TEST_F(Wire, EveryRowOfTheRangeTableForAGrowingFile) {
    auto object = tree_.put_growing("/live/g", "0123456789");
    RawClient settled = client();
    for (const Row& row : std::vector<Row>{
             {"bytes=2-4", 206, "bytes 2-4/*", "234"},
             {"bytes=0-9", 206, "bytes 0-9/*", "0123456789"},
             {"bytes=5-10", 206, "bytes 5-9/*", "56789"},  // not yet written, not beyond 2^40
             {"bytes=5-1099511627776", 206, "bytes 5-9/*", "56789"},
             {"bytes=7-", 206, "bytes 7-9/*", "789"},
             {"bytes=10-", 416, "", ""},
             {"bytes=10-12", 416, "", ""},
             {"bytes=11-9223372036854775807", 416, "", ""},
         }) {
        const Answer answer = settled.get("/live/g", "Range: " + row.range + "\r\n");
        EXPECT_EQ(answer.status, row.status) << row.range;
        EXPECT_EQ(answer.field("content-range"), row.content_range) << row.range;
        EXPECT_FALSE(answer.has("etag")) << row.range;
        if (row.status == 206) {
            EXPECT_EQ(answer.body, row.body) << row.range;
        }
    }
    struct Following {
        std::string range;
        int status;
        std::string content_range;
        std::string begins;
    };
    const std::vector<Following> rows{
        {"", 200, "", "a\r\n0123456789"},
        {"Range: bytes=0-\r\n", 200, "", "a\r\n0123456789"},
        {"Range: bytes=-4\r\n", 200, "", "a\r\n0123456789"},
        {"Range: bytes=0-1,4-5\r\n", 200, "", "a\r\n0123456789"},
        {"Range: bytes=4-2\r\n", 200, "", "a\r\n0123456789"},
        {"Range: bytes=8-1099511627777\r\n", 206, "bytes 8-1099511627777/*", "2\r\n89"},
        {"Range: bytes=0-9223372036854775807\r\n", 206, "bytes 0-9223372036854775807/*",
         "a\r\n0123456789"},
    };
    std::vector<RawClient> peers;
    for (const Following& row : rows) {
        peers.push_back(client());
        peers.back().send("GET /live/g HTTP/1.1\r\nHost: localhost\r\n" + row.range + "\r\n");
        const Answer head = peers.back().answer_head();
        EXPECT_EQ(head.status, row.status) << row.range;
        EXPECT_EQ(head.field("content-range"), row.content_range) << row.range;
        EXPECT_EQ(head.field("transfer-encoding"), "chunked") << row.range;
        EXPECT_FALSE(head.has("etag") || head.has("content-length")) << row.range;
        ASSERT_TRUE(peers.back().receive_until(row.begins + "\r\n")) << row.range;
    }
    object->append("more");
    object->finish();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_TRUE(peers[i].receive_until("4\r\nmore\r\n0\r\n\r\n")) << rows[i].range;
        peers[i].take(peers[i].held().size());
        EXPECT_EQ(peers[i].get("/live/a").body, "0123456789") << "the connection goes on";
    }
}

}  // namespace
}  // namespace reelfs::http
