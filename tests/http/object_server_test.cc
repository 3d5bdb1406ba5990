// GET and HEAD of finished objects over real sockets.
#include <gtest/gtest.h>

#include "server_fixture.h"

namespace reelfs::http {
namespace {

class ObjectServer : public ServerTest {};

const std::string kTag = "\"abcd0000000000000000000000000000\"";
const std::string kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

TEST_F(ObjectServer, ServesAnObjectWithItsValidatorsAndTypeFromTheName) {
    tree_.put("/live/a.mp4", "hello");
    RawClient peer = client();
    const Answer answer = peer.get("/live/a.mp4");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.field("etag"), kTag);
    EXPECT_EQ(answer.field("last-modified"), kDate);
    EXPECT_EQ(answer.field("content-type"), "video/mp4");
    EXPECT_EQ(answer.field("accept-ranges"), "bytes");
    EXPECT_EQ(answer.field("x-content-type-options"), "nosniff");
    EXPECT_TRUE(answer.has("date"));
    EXPECT_TRUE(answer.has("x-amzn-requestid"));
    EXPECT_FALSE(answer.has("cache-control"));
    EXPECT_FALSE(answer.has("connection"));
}

TEST_F(ObjectServer, AStoredTypeWinsUnlessItCannotStandInAHeader) {
    tree_.put("/live/a.mp4", "x")->mime_type = "video/x-own";
    tree_.put("/live/b.mp4", "x")->mime_type = "text/html\r\nX-Evil: 1";
    RawClient peer = client();
    EXPECT_EQ(peer.get("/live/a.mp4").field("content-type"), "video/x-own");
    const Answer split = peer.get("/live/b.mp4");
    EXPECT_EQ(split.field("content-type"), "video/mp4");
    EXPECT_FALSE(split.has("x-evil"));
}

TEST_F(ObjectServer, ManifestsMayBeCachedForASecondAndNothingElseIsToldAnything) {
    tree_.put("/live/a.m3u8", "#EXTM3U");
    tree_.put("/live/a.mpd", "<MPD/>");
    tree_.put("/live/a.ts", "x");
    RawClient peer = client();
    EXPECT_EQ(peer.get("/live/a.m3u8").field("cache-control"), "max-age=1");
    EXPECT_EQ(peer.get("/live/a.mpd").field("cache-control"), "max-age=1");
    EXPECT_FALSE(peer.get("/live/a.ts").has("cache-control"));
}

TEST_F(ObjectServer, HeadHasTheFieldsOfGetAndNoBodyAlsoForErrors) {
    tree_.put("/live/a.txt", "hello");
    RawClient peer = client();
    const Answer found = peer.head("/live/a.txt", "Range: bytes=1-2\r\n");
    EXPECT_EQ(found.status, 200);
    EXPECT_EQ(found.field("content-length"), "5");
    EXPECT_EQ(found.field("etag"), kTag);
    const Answer missing = peer.head("/live/b.txt");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.field("x-amzn-errortype"), "ObjectNotFoundException");
    EXPECT_EQ(peer.get("/live/a.txt").body, "hello") << "the connection is still in step";
}

TEST_F(ObjectServer, AnEmptyObjectIsServedAndHasNoRange) {
    tree_.put("/live/empty", "");
    RawClient peer = client();
    const Answer whole = peer.get("/live/empty");
    EXPECT_EQ(whole.status, 200);
    EXPECT_EQ(whole.field("content-length"), "0");
    const Answer range = peer.get("/live/empty", "Range: bytes=0-\r\n");
    EXPECT_EQ(range.status, 416);
    EXPECT_EQ(range.field("content-range"), "bytes */0");
}

TEST_F(ObjectServer, OneRangeIsA206WithExactlyThoseBytes) {
    tree_.put("/live/a.txt", "0123456789");
    RawClient peer = client();
    const Answer middle = peer.get("/live/a.txt", "Range: bytes=2-4\r\n");
    EXPECT_EQ(middle.status, 206);
    EXPECT_EQ(middle.body, "234");
    EXPECT_EQ(middle.field("content-range"), "bytes 2-4/10");
    EXPECT_EQ(peer.get("/live/a.txt", "Range: bytes=-3\r\n").body, "789");
    EXPECT_EQ(peer.get("/live/a.txt", "Range: bytes=7-\r\n").body, "789");
    const Answer beyond = peer.get("/live/a.txt", "Range: bytes=10-\r\n");
    EXPECT_EQ(beyond.status, 416);
    EXPECT_EQ(beyond.field("content-range"), "bytes */10");
    EXPECT_EQ(beyond.field("x-amzn-errortype"), "RequestedRangeNotSatisfiableException");
    EXPECT_EQ(peer.get("/live/a.txt", "Range: bytes=2-1\r\n").status, 200);
}

TEST_F(ObjectServer, SeveralRangesAreMultipartWithTheLengthItPromises) {
    tree_.put("/live/a.txt", "0123456789");
    RawClient peer = client();
    const Answer answer = peer.get("/live/a.txt", "Range: bytes=0-1,5-6,-1\r\n");
    EXPECT_EQ(answer.status, 206);
    ASSERT_TRUE(answer.complete);
    const std::string type = answer.field("content-type");
    ASSERT_TRUE(type.starts_with("multipart/byteranges; boundary="));
    const std::string line = "--" + type.substr(type.find('=') + 1);
    const std::string part = line + "\r\nContent-Type: text/plain\r\nContent-Range: bytes ";
    EXPECT_EQ(answer.body, part + "0-1/10\r\n\r\n01\r\n" + part + "5-6/10\r\n\r\n56\r\n" + part +
                               "9-9/10\r\n\r\n9\r\n" + line + "--\r\n");
    EXPECT_EQ(peer.get("/live/a.txt").body, "0123456789");
}

TEST_F(ObjectServer, ConditionsAnswer304And412) {
    tree_.put("/live/a.m3u8", "x");
    RawClient peer = client();
    const Answer known = peer.get("/live/a.m3u8", "If-None-Match: " + kTag + "\r\n");
    EXPECT_EQ(known.status, 304);
    EXPECT_EQ(known.field("etag"), kTag);
    EXPECT_EQ(known.field("cache-control"), "max-age=1");
    EXPECT_FALSE(known.has("content-length"));
    EXPECT_FALSE(known.has("content-type"));
    EXPECT_EQ(peer.get("/live/a.m3u8", "If-Modified-Since: " + kDate + "\r\n").status, 304);
    EXPECT_EQ(peer.get("/live/a.m3u8", "If-Match: \"other\"\r\n").status, 412);
    EXPECT_EQ(peer.get("/live/a.m3u8", "If-Match: " + kTag + "\r\n").status, 200);
    EXPECT_EQ(peer.head("/live/a.m3u8", "If-Match: \"other\"\r\n").status, 412);
    EXPECT_EQ(peer.get("/live/a.m3u8").status, 200);
}

TEST_F(ObjectServer, IfRangeWithAnotherVersionGivesTheWholeObject) {
    tree_.put("/live/a.txt", "0123456789");
    RawClient peer = client();
    const std::string range = "Range: bytes=1-1\r\n";
    EXPECT_EQ(peer.get("/live/a.txt", range + "If-Range: " + kTag + "\r\n").status, 206);
    EXPECT_EQ(peer.get("/live/a.txt", range + "If-Range: " + kDate + "\r\n").status, 206);
    EXPECT_EQ(peer.get("/live/a.txt", range + "If-Range: \"other\"\r\n").status, 200);
}

TEST_F(ObjectServer, AnObjectOfManyWindowsArrivesWholeFromMemoryAndFromDisk) {
    limits_.window_bytes = 10'000;
    limits_.bytes_in_flight_max = 25'000;
    const std::string content = patterned(1'234'567);
    tree_.put("/live/memory", content);
    tree_.put("/live/disk", content)->in_memory = false;
    RawClient peer = client();
    for (const bool names : {true, false}) {
        tree_.names_in_memory = names;
        EXPECT_TRUE(peer.get("/live/memory").body == content);
        EXPECT_TRUE(peer.get("/live/disk").body == content);
    }
    const Answer part = peer.get("/live/disk", "Range: bytes=9999-1000000\r\n");
    EXPECT_TRUE(part.body == content.substr(9999, 990'002));
    EXPECT_EQ(metric("reelfs_http_body_memory_bytes"), "0");
}

TEST_F(ObjectServer, AnyNameAnEditorMadeIsReachableAndNeverBreaksAResponse) {
    const std::string odd = "/live/a \"\xff\xc3\xbc\x01'<x>.txt";
    tree_.put(odd, "odd");
    RawClient peer = client();
    EXPECT_EQ(peer.get("/live/a%20%22%FF%C3%BC%01%27%3Cx%3E.txt").body, "odd");
    const Answer missing = peer.get("/live/%FF%22%0d%0aX:1");
    EXPECT_EQ(missing.status, 404);
    EXPECT_TRUE(missing.complete);
    EXPECT_NE(missing.body.find("\"Code\":\"ObjectNotFoundException\""), std::string::npos);
    EXPECT_NE(missing.body.find("\xEF\xBF\xBD\\\"\\r\\nX:1"), std::string::npos) << missing.body;
}

TEST_F(ObjectServer, BadNamesAre400BeforeTheTreeIsAskedAndTheConnectionGoesOn) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    for (const char* target : {"/live/%00", "/live/../a", "/live/%2e%2E/a", "/live/./a",
                               "/live/a%2Fb", "/live/a%2", "/live/%zz"}) {
        const Answer answer = peer.get(target);
        EXPECT_EQ(answer.status, 400) << target;
        EXPECT_EQ(answer.field("x-amzn-errortype"), "ValidationException");
    }
    EXPECT_EQ(peer.get("/live/" + std::string(256, 'a')).status, 400);
    EXPECT_EQ(tree_.opens, 0);
    EXPECT_EQ(peer.get("//live///a?b=c").body, "x");
}

TEST_F(ObjectServer, WhoMayNotReadGets403AndWhoMayGets404ForWhatIsNot) {
    tree_.put("/live/secret", "x")->readable = false;
    tree_.put("/live/open", "x");
    RawClient peer = client();
    EXPECT_EQ(peer.get("/live/secret").status, 403);
    EXPECT_EQ(peer.get("/live/none").status, 404);
    for (const char* more : {"X-Forwarded-For: 1.2.3.4\r\n", "Via: 1.1 proxy\r\n",
                             "Forwarded: for=1.2.3.4\r\n", "X-Real-IP: 1.2.3.4\r\n"}) {
        EXPECT_EQ(peer.get("/live/open", more).status, 403) << more;
        EXPECT_EQ(peer.get("/live/none", more).status, 403) << more;
    }
    peer.send("GET /live/open HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    const Answer denied = peer.answer();
    EXPECT_EQ(denied.status, 403);
    EXPECT_EQ(denied.field("x-amzn-errortype"), "AccessDeniedException");
    for (const char* host :
         {"127.0.0.1", "127.0.0.1:8787", "LOCALHOST:1", "[::1]:80", "localhost"}) {
        peer.send("GET /live/open HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
        EXPECT_EQ(peer.answer().status, 200) << host;
    }
}

TEST_F(ObjectServer, OtherMethodsAre405WithAllowAndABodyDoesNotBreakTheConnection) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    for (const char* method : {"PATCH", "PROPFIND"}) {
        peer.send(std::string(method) +
                  " /live/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
        const Answer answer = peer.answer();
        EXPECT_EQ(answer.status, 405) << method;
        EXPECT_EQ(answer.field("allow"), "GET, HEAD, PUT, POST, DELETE, OPTIONS");
        EXPECT_NE(answer.body.find("MethodNotAllowedException"), std::string::npos);
    }
    peer.send(
        "PATCH / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n");
    EXPECT_EQ(peer.answer().status, 405);
    EXPECT_EQ(peer.get("/live/a").body, "x");
}

TEST_F(ObjectServer, TheRootAndContainersAndOurOwnCorner) {
    RawClient peer = client();
    const Answer root = peer.get("/");
    EXPECT_EQ(root.status, 404);
    EXPECT_EQ(root.field("content-type"), "application/json");
    EXPECT_EQ(peer.get("/live").status, 403);
    EXPECT_EQ(peer.get("/~reelfs/health").body, "ok\n");
    const Answer time = peer.get("/~reelfs/time");
    EXPECT_EQ(time.status, 200);
    EXPECT_EQ(time.body.size(), std::string("2026-11-22T17:45:03.120Z").size());
    EXPECT_EQ(time.body.back(), 'Z');
    EXPECT_EQ(time.field("cache-control"), "no-store");
    EXPECT_EQ(time.field("access-control-allow-origin"), "*");
    EXPECT_EQ(peer.head("/~reelfs/time").field("content-length"), "24");
    EXPECT_EQ(peer.head("/~reelfs/health").status, 200);
    EXPECT_EQ(peer.get("/~reelfs/other").status, 404);
    EXPECT_EQ(tree_.opens, 0);
}

TEST_F(ObjectServer, FaultsOfTheTreeBecomeAStatusAndAFixedSentence) {
    RawClient peer = client();
    const std::vector<std::pair<Errc, int>> table{
        {Errc::kIo, 500}, {Errc::kCorrupt, 500}, {Errc::kLoop, 404}, {Errc::kBusy, 503}};
    for (const auto& [code, status] : table) {
        tree_.open_error = code;
        const Answer answer = peer.get("/live/a");
        EXPECT_EQ(answer.status, status);
        EXPECT_EQ(answer.body.find("as asked"), std::string::npos);
        EXPECT_EQ(answer.has("retry-after"), status == 503);
    }
    EXPECT_EQ(metric("reelfs_request_failures_total{door=\"http\",operation=\"GetObject\"}"), "3");
}

TEST_F(ObjectServer, AReadThatFailsBeforeTheHeadIsA500AndLaterAReset) {
    limits_.window_bytes = 1'000;
    auto object = tree_.put("/live/a", patterned(8'000'000));
    object->in_memory = false;
    object->fail_reads();
    RawClient early = client();
    EXPECT_EQ(early.get("/live/a").status, 500);
    tree_.names_in_memory = false;
    EXPECT_EQ(early.get("/live/a").status, 500);

    auto later = tree_.put("/live/b", patterned(8'000'000));
    later->in_memory = false;
    RawClient peer = client();
    peer.send("GET /live/b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_EQ(peer.answer_head().status, 200);
    later->fail_reads();
    EXPECT_LT(peer.receive_all().size(), 8'000'000u);
    EXPECT_EQ(peer.end(), RawClient::End::kReset);
}

TEST_F(ObjectServer, ExpectIsIgnoredForGet) {
    tree_.put("/live/a", "x");
    RawClient peer = client();
    EXPECT_EQ(peer.get("/live/a", "Expect: 100-continue\r\n").status, 200);
}

}  // namespace
}  // namespace reelfs::http
