#include "http/request_gate.h"

#include <gtest/gtest.h>

#include <string>

#include "reelfs/model/limits.h"

namespace reelfs::http {
namespace {

using namespace std::string_literals;

std::optional<Refusal> refusal_of(const std::string& head) {
    RequestHead parsed;
    return check_head(head, parsed);
}
std::optional<Refusal> refusal_of_fields(const std::string& fields,
                                         const std::string& version = "1.1") {
    return refusal_of("GET /a HTTP/" + version + "\r\nHost: h\r\n" + fields + "\r\n");
}

TEST(RequestGate, TakesAnOrdinaryHeadApart) {
    const std::string text =
        "GET /a%20b?c=d HTTP/1.1\r\nHost: localhost:80\r\nRange:\t bytes=0-1 \r\nX-Empty:\r\n\r\n";
    RequestHead head;
    ASSERT_FALSE(check_head(text, head));
    EXPECT_EQ(head.method, "GET");
    EXPECT_EQ(head.target, "/a%20b?c=d");
    EXPECT_EQ(head.minor_version, 1);
    EXPECT_EQ(head.host, "localhost:80");
    EXPECT_EQ(head.single("range"), "bytes=0-1");
    EXPECT_EQ(head.single("X-EMPTY"), "");
    EXPECT_FALSE(head.single("absent"));
    EXPECT_TRUE(head.keep_alive);
    EXPECT_FALSE(head.has_body());
}

TEST(RequestGate, AFieldThatStandsTwiceHasNoSingleValue) {
    RequestHead head;
    const std::string text = "GET / HTTP/1.1\r\nHost: h\r\nRange: a\r\nrange: b\r\n\r\n";
    ASSERT_FALSE(check_head(text, head));
    EXPECT_TRUE(head.has("Range"));
    EXPECT_FALSE(head.single("Range"));
}

TEST(RequestGate, OnlyExactlyOneChunkedIsATransferEncoding) {
    EXPECT_FALSE(refusal_of_fields("Transfer-Encoding: chunked\r\n"));
    EXPECT_FALSE(refusal_of_fields("transfer-encoding:CHUNKED\r\n"));
    for (const char* value :
         {"gzip", "", "chunked, chunked", "gzip, chunked", "chunked,", ",chunked", "chunked;a=b",
          "identity", "\"chunked\"", "chunke", "chunkedd", "chunked chunked", "\vchunked"})
        EXPECT_TRUE(refusal_of_fields("Transfer-Encoding: "s + value + "\r\n")) << value;
    EXPECT_TRUE(refusal_of_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
    EXPECT_TRUE(refusal_of_fields("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"));
    EXPECT_TRUE(refusal_of_fields("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"));
    EXPECT_TRUE(refusal_of_fields("Transfer-Encoding: chunked\r\n", "1.0"));
}

TEST(RequestGate, ContentLengthIsOnePlainNumber) {
    RequestHead head;
    const std::string text = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0042\r\n\r\n";
    ASSERT_FALSE(check_head(text, head));
    EXPECT_EQ(head.content_length, 42u);
    EXPECT_TRUE(head.has_body());
    for (const char* value :
         {"", "+1", "-1", "0x1", "1 1", "1,1", "1.0", "99999999999999999999", "1e3", "\"1\""})
        EXPECT_TRUE(refusal_of_fields("Content-Length: "s + value + "\r\n")) << value;
    EXPECT_TRUE(refusal_of_fields("Content-Length: 1\r\nContent-Length: 1\r\n"));
}

TEST(RequestGate, ThereIsExactlyOneHostAndItIsAHost) {
    EXPECT_TRUE(refusal_of("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_TRUE(refusal_of("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"));
    for (const char* host : {"a b", "a/b", "a@b", "a\"b", "a?b", "a#b", "\xc3\xbc", "a\\b"})
        EXPECT_TRUE(refusal_of("GET / HTTP/1.1\r\nHost: "s + host + "\r\n\r\n")) << host;
    for (const char* host : {"", "a", "a:80", "[::1]:80", "127.0.0.1", "a_b.c"})
        EXPECT_FALSE(refusal_of("GET / HTTP/1.1\r\nHost: "s + host + "\r\n\r\n")) << host;
}

TEST(RequestGate, EveryByteIsJudgedInTheTarget) {
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const auto refusal = refusal_of("GET /a"s + c + "b HTTP/1.1\r\nHost: h\r\n\r\n");
        const bool good = byte > 0x20 && byte < 0x7f && c != '#';
        EXPECT_EQ(!refusal, good) << byte;
    }
}

TEST(RequestGate, EveryByteIsJudgedInNamesAndValues) {
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const bool token = std::string_view(
                               "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
                               .find(c) != std::string_view::npos;
        // A colon ends the name, and what follows is a value.
        EXPECT_EQ(!refusal_of_fields("X"s + c + "Y: z\r\n"), token || c == ':') << byte;
        const bool value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        EXPECT_EQ(!refusal_of_fields("X: a"s + c + "b\r\n"), value) << byte;
    }
}

TEST(RequestGate, FoldingBlanksBeforeTheColonAndLinesWithoutOneAreRefused) {
    EXPECT_TRUE(refusal_of_fields("X: a\r\n b\r\n"));
    EXPECT_TRUE(refusal_of_fields("X: a\r\n\tb: c\r\n"));
    EXPECT_TRUE(refusal_of_fields("X : a\r\n"));
    EXPECT_TRUE(refusal_of_fields("X\r\n"));
    EXPECT_TRUE(refusal_of_fields(": a\r\n"));
    EXPECT_TRUE(refusal_of("GET / HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(refusal_of_fields("X: a\rb\r\n"));
    EXPECT_TRUE(refusal_of_fields("X: a\nb: c\r\n"));
}

TEST(RequestGate, RequestLinesAreThreeWordsWithOneBlankEach) {
    for (const char* line :
         {"", "GET", "GET /", "GET / ", " GET / HTTP/1.1", "GET  / HTTP/1.1", "GET /  HTTP/1.1",
          "GET / HTTP/1.1 ", "GET\t/ HTTP/1.1", "G(T / HTTP/1.1", "GET / http/1.1",
          "GET / HTTP/1.1x", "GET / HTTP/11", "GET / HTTPS/1.1", "GET a HTTP/1.1", "GET * HTTP/1.1",
          "CONNECT a:1 HTTP/1.1", "GET /a b HTTP/1.1"})
        EXPECT_TRUE(refusal_of(std::string(line) + "\r\nHost: h\r\n\r\n")) << line;
    EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n")->status, 505);
    EXPECT_EQ(refusal_of("GET / HTTP/1.2\r\nHost: h\r\n\r\n")->status, 505);
    EXPECT_EQ(refusal_of("GET /" + std::string(limits::http_target_bytes_max, 'a') +
                         " HTTP/1.1\r\nHost: h\r\n\r\n")
                  ->status,
              414);
}

TEST(RequestGate, AnAbsoluteTargetBecomesItsPathWhenItsHostIsHost) {
    RequestHead head;
    const std::string same = "GET HTTP://H:80/a?b HTTP/1.1\r\nHost: h:80\r\n\r\n";
    ASSERT_FALSE(check_head(same, head));
    EXPECT_EQ(head.target, "/a?b");
    EXPECT_TRUE(refusal_of("GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(refusal_of("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(refusal_of("GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(refusal_of("GET ftp://h/a HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_FALSE(refusal_of("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"));
}

TEST(RequestGate, ConnectionOptionsDecideWhetherTheConnectionGoesOn) {
    const auto keeps = [](const std::string& fields, const char* version) {
        RequestHead head;
        const std::string text = "GET / HTTP/"s + version + "\r\nHost: h\r\n" + fields + "\r\n";
        EXPECT_FALSE(check_head(text, head));
        return head.keep_alive;
    };
    EXPECT_TRUE(keeps("", "1.1"));
    EXPECT_FALSE(keeps("Connection: close\r\n", "1.1"));
    EXPECT_FALSE(keeps("Connection: TE, Close\r\n", "1.1"));
    EXPECT_FALSE(keeps("Connection: close\r\nConnection: keep-alive\r\n", "1.1"));
    EXPECT_FALSE(keeps("", "1.0"));
    EXPECT_TRUE(keeps("Connection: keep-alive\r\n", "1.0"));
    EXPECT_FALSE(keeps("Connection: keep-alive, close\r\n", "1.0"));
    EXPECT_FALSE(keeps("Connection: close, keep-alive\r\n", "1.0"));
    EXPECT_FALSE(keeps("Connection: close\r\nConnection: keep-alive\r\n", "1.0"));
}

TEST(HeadFinder, FindsTheEndWhereverTheBytesAreCut) {
    const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const std::string bytes = head + "GET /next";
    for (std::size_t scanned = 0; scanned < head.size(); ++scanned) {
        EXPECT_EQ(find_head(std::string_view(bytes).substr(0, scanned), 0).length, 0u);
        EXPECT_FALSE(find_head(std::string_view(bytes).substr(0, scanned), 0).refusal);
        EXPECT_EQ(find_head(bytes, scanned).length, head.size()) << scanned;
    }
}

TEST(HeadFinder, TellsAtOnceWhatCanNeverBecomeAHead) {
    EXPECT_TRUE(find_head("\x16\x03\x01", 0).refusal);
    EXPECT_TRUE(find_head(" GET", 0).refusal);
    EXPECT_TRUE(find_head("GET / HTTP/1.1\n", 0).refusal);
    EXPECT_TRUE(find_head("GET / HTTP/1.1\r\nA: b\n\r\n", 0).refusal);
    EXPECT_FALSE(find_head("", 0).refusal);
    EXPECT_FALSE(find_head("G", 0).refusal);
    EXPECT_EQ(find_head(std::string(limits::http_head_bytes_max, 'a'), 0).refusal->status, 414);
    const std::string lines =
        "GET / HTTP/1.1\r\nX: " + std::string(limits::http_head_bytes_max, 'a');
    EXPECT_EQ(find_head(lines, 0).refusal->status, 431);
    EXPECT_FALSE(find_head(lines.substr(0, limits::http_head_bytes_max - 1), 0).refusal);
}

}  // namespace
}  // namespace reelfs::http
