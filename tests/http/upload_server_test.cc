// Writing over HTTP, to a real tree on a simulated disk: framings, what an upload that ends badly
// leaves, what readers see meanwhile, and what is listed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/test_store.h"
#include "http/body_hash.h"
#include "http/server_limits.h"
#include "http/target.h"
#include "raw_client.h"
#include "reelfs/base/metrics.h"
#include "reelfs/model/limits.h"
#include "server_fixture.h"
#include "test_authenticator.h"

namespace reelfs::http {
namespace {

using test::must;
using Json = nlohmann::json;

constexpr std::string_view kAuth = "Authorization: Test writer\r\n";
constexpr std::string_view kSigned = "Authorization: AWS4-HMAC-SHA256 Credential=x\r\n";

std::string sha256_of(std::string_view bytes) {
    BodyHash hash;
    hash.add(bytes_of(bytes));
    return to_hex(*hash.finish());
}

class UploadServerTest : public ::testing::Test {
  protected:
    UploadServerTest() : rig_(random_, std::uint64_t{1} << 40, &clock_) {
        limits_.tick_ms = 2;
        rig_.container();
        must(rig_.tree().create_container(
            {}, "ms", {.mode = 0755, .block_bytes = {}, .profile = "mediastore"}));
        empty_nodes_ = nodes();
    }
    ~UploadServerTest() override { stop(); }

    void start() {
        ServerOptions options;
        options.http = Endpoint{"127.0.0.1", 0};
        options.authenticator = &authenticator_;
        auto started = start_limited_server(rig_.tree(), clock_, metrics_, options, limits_);
        ASSERT_TRUE(started.ok()) << started.error().message();
        server_ = std::move(started).value();
    }
    /// Every connection has ended, and what it left undone is undone.
    void stop() {
        if (server_) server_->stop(30'000);
        server_.reset();
    }
    RawClient client() {
        if (!server_) start();
        return RawClient(*server_->http());
    }
    static std::string head(std::string_view method, std::string_view target,
                            std::string_view more) {
        return fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", method, target, more);
    }
    static std::string put_head(std::string_view target, std::size_t length,
                                std::string_view more = "") {
        return head("PUT", target, fmt::format("{}Content-Length: {}\r\n{}", kAuth, length, more));
    }
    static std::string chunked_head(std::string_view target, std::string_view more = "") {
        return head("PUT", target, fmt::format("{}Transfer-Encoding: chunked\r\n{}", kAuth, more));
    }
    static std::string chunk(std::string_view bytes) {
        return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    }
    Answer put(std::string_view target, std::string_view body, std::string_view more = "") {
        RawClient peer = client();
        peer.send(put_head(target, body.size(), more));
        peer.send(body);
        return peer.answer();
    }
    Answer ask(std::string_view method, std::string_view target, std::string_view more = kAuth) {
        RawClient peer = client();
        peer.send(head(method, target, more));
        return peer.answer(method == "HEAD");
    }
    Json list(const std::string& query, const std::string& container = "c") {
        const Answer answer = ask("GET", "/" + container + query);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return Json::parse(answer.body);
    }
    std::string body_of(const std::string& target) { return client().get(target).body; }
    std::uint64_t nodes() { return must(rig_.tree().space()).nodes; }
    /// Nothing of any upload is left. Stops the server.
    void expect_nothing_left(const std::string& why) {
        stop();
        EXPECT_EQ(nodes(), empty_nodes_) << why;
    }

    test::SeededRandom random_;
    MovableClock clock_;
    test::StoreRig rig_;
    TestAuthenticator authenticator_;
    Metrics metrics_;
    ServerLimits limits_;
    std::unique_ptr<Server> server_;
    std::uint64_t empty_nodes_ = 0;
};

TEST_F(UploadServerTest, APutAnswersHashAndTagAndIsThereAtOnce) {
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{70'000}, 3ul << 20}) {
        const std::string body = patterned(size);
        const Answer answer =
            put("/c/d/f.ts", body, "Content-Type: a/b\r\nCache-Control: max-age=6, x\r\n");
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.field("content-type"), "application/json");
        const Json json = Json::parse(answer.body);
        EXPECT_EQ(json["ContentSHA256"], sha256_of(body));
        EXPECT_EQ(json["StorageClass"], "TEMPORAL");
        const Answer got = client().get("/c/d/f.ts");
        EXPECT_EQ(got.status, 200);
        EXPECT_EQ(got.body, body);
        EXPECT_EQ(got.field("etag"), "\"" + json["ETag"].get<std::string>() + "\"");
        EXPECT_EQ(got.field("content-type"), "a/b");
        EXPECT_EQ(got.field("cache-control"), "max-age=6, x");
    }
}

TEST_F(UploadServerTest, AnyFramingGivesTheSameBytesWhereverThePacketsEnd) {
    const std::string body = patterned(40);
    const std::string framed = chunked_head("/c/o") + "7;ext=\"a\"\r\n" + body.substr(0, 7) +
                               "\r\n" + chunk(std::string_view(body).substr(7)) +
                               "0\r\nTrailer: x\r\n\r\n";
    RawClient peer = client();
    for (std::size_t cut = 1; cut < framed.size(); cut += 3) {
        peer.send(std::string_view(framed).substr(0, cut));
        peer.send(std::string_view(framed).substr(cut));
        const Answer answer = peer.answer();
        ASSERT_EQ(answer.status, 200) << cut << answer.body;
        ASSERT_EQ(Json::parse(answer.body)["ContentSHA256"], sha256_of(body)) << cut;
    }
    for (char c : framed) peer.send({&c, 1});
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(body_of("/c/o"), body);
    // Requests in one packet do not bleed into each other.
    peer.send(framed + put_head("/c/p", 3) + "abc" + head("GET", "/c/p", ""));
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(peer.answer().body, "abc");
    // An object's path may also be POSTed to.
    peer.send(head("POST", "/c/q", fmt::format("{}Content-Length: 2\r\n", kAuth)) + "hi");
    EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(body_of("/c/q"), "hi");
}

TEST_F(UploadServerTest, ExpectIsAnsweredBeforeTheBodyAndOnlyWhenItIsWelcome) {
    RawClient peer = client();
    peer.send(put_head("/c/o", 5, "Expect: 100-continue\r\n"));
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    EXPECT_EQ(peer.take(peer.held().size()), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("hello");
    EXPECT_EQ(peer.answer().status, 200);
    peer.send(head("PUT", "/c/o", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    const Answer refused = peer.answer();
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.field("connection"), "close");
    EXPECT_EQ(body_of("/c/o"), "hello");
}

TEST_F(UploadServerTest, ABodyThatWasNotSignedIsNeverSeen) {
    RawClient peer = client();
    const auto put = [&](const std::string& body) {
        peer.send(
            "PUT /c/o HTTP/1.1\r\nHost: localhost\r\nAuthorization: Body right\r\n"
            "x-amz-upload-availability: STREAMING\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body);
        return peer.answer();
    };
    const Answer wrong = put("wrong");
    EXPECT_EQ(wrong.status, 403);
    EXPECT_EQ(wrong.field("x-amzn-errortype"), "InvalidSignatureException");
    EXPECT_EQ(client().get("/c/o").status, 404);
    EXPECT_EQ(put("right").status, 200);
    EXPECT_EQ(body_of("/c/o"), "right");
    EXPECT_EQ(put("worse").status, 403);
    EXPECT_EQ(body_of("/c/o"), "right");
}

TEST_F(UploadServerTest, NobodyWritesOrListsWithoutCredentials) {
    for (const char* method : {"PUT", "DELETE"}) {
        const Answer answer = ask(method, "/c/o", "");
        EXPECT_EQ(answer.status, 401);
        EXPECT_TRUE(answer.field("www-authenticate").starts_with("Basic realm="));
        EXPECT_EQ(answer.field("x-amzn-errortype"), "AccessDeniedException");
        EXPECT_EQ(ask(method, "/c/o", "Authorization: Basic eDp5\r\n").status, 403);
    }
    EXPECT_EQ(ask("GET", "/c", "").status, 403);
    EXPECT_EQ(ask("GET", "/c", "Authorization: Basic eDp5\r\n").status, 403);
    expect_nothing_left("refused");
}

TEST_F(UploadServerTest, AnUploadThatEndsEarlyLeavesNothing) {
    for (bool streaming : {false, true}) {
        const std::string how =
            fmt::format("Expect: 100-continue\r\nx-amz-upload-availability: {}\r\n",
                        streaming ? "streaming" : "standard");
        for (bool abort : {false, true}) {
            RawClient a = client(), b = client();
            a.send(put_head("/c/x/y/o", 1'000'000, how));
            b.send(chunked_head("/c/x/z/o", how));
            ASSERT_TRUE(a.receive_until("100 Continue") && b.receive_until("100 Continue"));
            a.send(patterned(600'000));
            b.send(chunk(patterned(300'000)));
            abort ? a.abort() : a.close();
            abort ? b.abort() : b.close();
            expect_nothing_left(fmt::format("streaming {} abort {}", streaming, abort));
        }
    }
}

TEST_F(UploadServerTest, AWholeBodyCountsWhetherOrNotThePeerListens) {
    RawClient peer = client();
    peer.send(chunked_head("/c/o", "Expect: 100-continue\r\n"));
    ASSERT_TRUE(peer.receive_until("100 Continue"));
    peer.send(chunk("bytes") + "0\r\n\r\n");
    peer.close();
    stop();
    EXPECT_EQ(rig_.content(rig_.container(), "o").size(), 5u);
}

TEST_F(UploadServerTest, ABrokenBodyIsRefusedAndLeavesNothing) {
    RawClient peer = client();
    peer.send(chunked_head("/c/o") + chunk("abc") + "zz\r\n");
    const Answer answer = peer.answer();
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_EQ(peer.receive_all(), "");
    expect_nothing_left("malformed");
}

TEST_F(UploadServerTest, AHashThatIsPromisedIsChecked) {
    const std::string right = "x-amz-content-sha256: " + sha256_of("body") + "\r\n";
    const std::string wrong = "x-amz-content-sha256: " + sha256_of("other") + "\r\n";
    EXPECT_EQ(put("/c/o", "body", right).status, 200);
    EXPECT_EQ(put("/c/o", "body", "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n").status, 200);
    EXPECT_EQ(put("/c/o", "bad", wrong).status, 400);
    EXPECT_EQ(put("/c/o", "bad", "x-amz-content-sha256: STREAMING-X\r\n").status, 400);
    RawClient peer = client();
    peer.send(head("PUT", "/c/o", fmt::format("{}{}Content-Length: 3\r\n", kSigned, wrong)) +
              "bad");
    const Answer answer = peer.answer();
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.field("x-amzn-errortype"), "InvalidSignatureException");
    EXPECT_EQ(body_of("/c/o"), "body");
}

TEST_F(UploadServerTest, HeadersThatCannotBeKeptAndPathsThatCannotBeAreRefused) {
    for (const char* bad :
         {"x-amz-storage-class: STANDARD\r\n", "x-amz-upload-availability: SOON\r\n",
          "Content-Type: a\tb\xc3\xa4\r\n", "Cache-Control: a\r\nCache-Control: b\r\n"}) {
        const Answer answer = put("/c/o", "x", bad);
        EXPECT_EQ(answer.status, 400) << bad;
        EXPECT_EQ(answer.field("x-amzn-errortype"), "ValidationException") << bad;
    }
    EXPECT_EQ(put("/c/o/", "x").status, 400);
    EXPECT_EQ(put("/c/a/../o", "x").status, 400);
    EXPECT_EQ(put("/c//a///o", "x").status, 200);
    EXPECT_EQ(put("/c/a", "x").status, 400) << "a folder has the name";
    EXPECT_EQ(put("/c/a/o/p", "x").status, 400) << "a file stands in the way";
    const Answer unknown = put("/nope/o", "x");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.field("x-amzn-errortype"), "ContainerNotFoundException");
    for (const auto& [target, type] : {std::pair{"/nope/o", "ContainerNotFoundException"},
                                       std::pair{"/c/none", "ObjectNotFoundException"}}) {
        const Answer absent = client().get(target);
        EXPECT_EQ(absent.status, 404) << target;
        EXPECT_EQ(absent.field("x-amzn-errortype"), type) << target;
    }
    for (const char* method : {"PATCH", "PROPFIND"}) {
        const Answer answer = ask(method, "/c/a/o");
        EXPECT_EQ(answer.status, 405);
        EXPECT_EQ(answer.field("allow"), "GET, HEAD, PUT, POST, DELETE, OPTIONS");
    }
    EXPECT_EQ(ask("POST", "/c/a/o?x=1").status, 405);
    EXPECT_EQ(ask("PUT", "/c").status, 405);
}

TEST_F(UploadServerTest, AMediaStoreContainerHasItsLimits) {
    EXPECT_EQ(put("/ms/k=v/t:1~x.ts", "x").status, 200);
    EXPECT_EQ(put("/ms/sp%20ace", "x").status, 400);
    EXPECT_EQ(put("/c/sp%20ace", "x").status, 200);
    EXPECT_EQ(put("/ms/1/2/3/4/5/6/7/8/9/10/name", "x").status, 200);
    EXPECT_EQ(put("/ms/1/2/3/4/5/6/7/8/9/10/11/name", "x").status, 400);
    std::string deep = "/ms";
    for (int i = 0; i < 4; ++i) deep += "/" + std::string(200, 'a');
    EXPECT_EQ(put(deep + "/" + std::string(96, 'b'), "x").status, 200);  // 900
    EXPECT_EQ(put(deep + "/" + std::string(97, 'b'), "x").status, 400);

    RawClient peer = client();
    peer.send(put_head("/ms/big", limits::mediastore_standard_bytes_max + 1));
    EXPECT_EQ(peer.answer().status, 400) << "before the body";
    const std::string streaming = "x-amz-upload-availability: STREAMING\r\n";
    RawClient chunks = client();
    chunks.send(chunked_head("/ms/s", streaming));
    const std::string mib = chunk(patterned(1 << 20));
    for (int i = 0; i < 10; ++i) chunks.send(mib);
    chunks.send(chunk("x"));
    EXPECT_EQ(chunks.answer().status, 400);
    EXPECT_EQ(client().get("/ms/s").status, 404);

    RawClient slow = client();
    slow.send(put_head("/ms/slow", 10, "Expect: 100-continue\r\n"));
    ASSERT_TRUE(slow.receive_until("\r\n\r\n"));  // the time runs
    slow.take(slow.held().size());
    clock_.advance_ms(limits::mediastore_upload_ms_max + 1);
    EXPECT_EQ(slow.answer().status, 408);
    EXPECT_EQ(client().get("/ms/slow").status, 404);
}

TEST_F(UploadServerTest, AStreamingUploadIsFollowedFromItsFirstByteToItsEnd) {
    put("/c/s/o.m4s", "the old one");
    RawClient writer = client();
    writer.send(chunked_head("/c/s/o.m4s", "x-amz-upload-availability: STREAMING\r\n"));
    const std::string body = patterned(900'000);
    writer.send(chunk(std::string_view(body).substr(0, 300'000)));
    RawClient reader = client();
    Answer answer;
    do {  // until the first bytes have come through
        reader.send(head("GET", "/c/s/o.m4s", ""));
        answer = reader.answer_head();
        if (answer.has("content-length")) reader.receive_at_least(11), reader.take(11);
    } while (answer.has("content-length"));
    EXPECT_EQ(answer.field("transfer-encoding"), "chunked");
    EXPECT_FALSE(answer.has("etag"));
    ASSERT_TRUE(reader.receive_at_least(300'000));
    const Json items = list("?Path=s")["Items"];
    EXPECT_EQ(items.at(0)["ContentLength"], 11) << "the old one until it is complete";
    writer.send(chunk(std::string_view(body).substr(300'000)) + "0\r\n\r\n");
    EXPECT_EQ(writer.answer().status, 200);
    std::string rest = reader.held();
    while (!rest.ends_with("\r\n0\r\n\r\n")) {
        ASSERT_TRUE(reader.receive());
        rest = reader.held();
    }
    EXPECT_EQ(body_of("/c/s/o.m4s"), body);
}

TEST_F(UploadServerTest, AStreamingUploadThatFailsResetsItsReadersAndTheOldVersionIsBack) {
    put("/c/s/o", "the old one");
    RawClient writer = client();
    writer.send(chunked_head("/c/s/o", "x-amz-upload-availability: STREAMING\r\n"));
    writer.send(chunk("new"));
    RawClient reader = client();
    Answer answer;
    do {
        reader.send(head("GET", "/c/s/o", ""));
        answer = reader.answer_head();
        if (answer.has("content-length")) reader.receive_at_least(11), reader.take(11);
    } while (answer.has("content-length"));
    ASSERT_TRUE(reader.receive_until("new"));
    writer.close();
    reader.receive_all();
    EXPECT_EQ(reader.end(), RawClient::End::kReset);
    EXPECT_EQ(body_of("/c/s/o"), "the old one");
}

TEST_F(UploadServerTest, WhereNoRoomIsLeftInTheMiddleItEndsThereWhileMoreArrives) {
    core::QuotaChange change;
    change.bytes = 2u << 20;
    must(rig_.tree().set_quota("c", change));
    const std::string body = patterned(6u << 20);
    for (int time = 0; time < 5; ++time) {
        RawClient peer = client();
        peer.send(chunked_head("/c/big"));
        peer.send(chunk(body) + "0\r\n\r\n");
        EXPECT_EQ(peer.answer().status, 507);
    }
    EXPECT_EQ(put("/c/small", "fits").status, 200);
    EXPECT_EQ(ask("DELETE", "/c/small").status, 200);
    expect_nothing_left("each was over the quota");
}

TEST_F(UploadServerTest, ADeletedObjectIsGoneWithTheFoldersMadeForIt) {
    put("/c/p/q/x", "1");
    put("/c/p/y", "2");
    RawClient peer = client();
    // As ffmpeg does it, and the connection goes on.
    peer.send(head("DELETE", "/c/p/q/x", fmt::format("{}Transfer-Encoding: chunked\r\n", kAuth)) +
              "0\r\n\r\n");
    Answer answer = peer.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "");
    peer.send(head("DELETE", "/c/p/q/x", kAuth));
    answer = peer.answer();
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.field("x-amzn-errortype"), "ObjectNotFoundException");
    EXPECT_EQ(list("?Path=p")["Items"].size(), 1u);
    EXPECT_EQ(ask("DELETE", "/c/p").status, 404);
    EXPECT_EQ(ask("DELETE", "/c/p/y").status, 200);
    EXPECT_EQ(list("")["Items"].size(), 0u);
    EXPECT_EQ(ask("DELETE", "/none/y").field("x-amzn-errortype"), "ContainerNotFoundException");
    expect_nothing_left("deleted");
}

TEST_F(UploadServerTest, ItemsAreListedAsTheSpecificationWritesThem) {
    const Json uploaded = Json::parse(put("/c/a/o.ts", "12345").body);
    put("/c/a/b/c.bin", "1", "Content-Type: x/y\r\n");
    for (const char* path : {"a", "/a", "a/", "%2Fa%2F"}) {
        const Json items = list(std::string("?Unknown=1&Path=") + path)["Items"];
        ASSERT_EQ(items.size(), 2u) << path;
        EXPECT_EQ(items[0], (Json{{"Name", "b"}, {"Type", "FOLDER"}}));
        EXPECT_EQ(items[1]["Name"], "o.ts");
        EXPECT_EQ(items[1]["Type"], "OBJECT");
        EXPECT_EQ(items[1]["ETag"], uploaded["ETag"]);
        EXPECT_EQ(items[1]["ContentType"], "video/mp2t");
        EXPECT_TRUE(items[1]["ContentLength"].is_number_integer());
        EXPECT_TRUE(items[1]["LastModified"].is_number_float());
        EXPECT_EQ(items[1].size(), 6u);
    }
    EXPECT_EQ(list("?Path=a%2Fb")["Items"][0]["ContentType"], "x/y");
    EXPECT_EQ(list("?Path=no/such")["Items"].size(), 0u);
    EXPECT_FALSE(list("").contains("NextToken"));
    EXPECT_EQ(ask("GET", "/nope").field("x-amzn-errortype"), "ContainerNotFoundException");
    for (const char* bad : {"?MaxResults=0", "?MaxResults=1001", "?MaxResults=x", "?NextToken=x",
                            "?Path=a/../b", "?Path=%zz"})
        EXPECT_EQ(ask("GET", std::string("/c") + bad).status, 400) << bad;
    EXPECT_EQ(ask("HEAD", "/c").status, 404);
}

TEST_F(UploadServerTest, PagesGoOnFromTheirTokensForAQuarterOfAnHour) {
    const NodeId c = rig_.container();
    for (int i = 0; i < 600; ++i) rig_.put(c, "o" + std::to_string(1000 + i), bytes_of("x"));
    for (const char* size : {"?MaxResults=7", "?MaxResults=300", ""}) {
        std::vector<std::string> names;
        std::string token;
        do {
            std::string query = size;
            if (!token.empty()) query += (query.empty() ? "?NextToken=" : "&NextToken=") + token;
            const Json page = list(query);
            for (const Json& item : page["Items"]) names.push_back(item["Name"]);
            const std::string next = page.value("NextToken", "");
            ASSERT_TRUE(next.empty() || next != token);
            token = next;
        } while (!token.empty());
        EXPECT_EQ(names.size(), 600u) << size;
        EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    }
    const std::string token = list("?MaxResults=7")["NextToken"];
    EXPECT_EQ(ask("GET", "/ms?NextToken=" + token).status, 400) << "of another container";
    EXPECT_EQ(ask("GET", "/c?Path=x&NextToken=" + token).status, 400) << "of another folder";
    EXPECT_EQ(list("?NextToken=" + token)["Items"][0]["Name"], "o1007");
    must(rig_.tree().unlink(c, "o1006"));  // where it stands may go
    EXPECT_EQ(list("?NextToken=" + token)["Items"][0]["Name"], "o1007");
    clock_.advance_ms(901'000);
    EXPECT_EQ(ask("GET", "/c?NextToken=" + token).status, 400) << "too old";
}

TEST_F(UploadServerTest, AHundredThousandObjectsAreListedOnceEachInBoundedPages) {
    constexpr int kObjects = 100'000;
    const NodeId c = rig_.container();
    for (int i = 0; i < kObjects; ++i)
        must(rig_.tree().make_node({}, c, fmt::format("o{:06}", i), {NodeType::kFile, 0644, 0}));
    RawClient peer = client();
    int listed = 0;
    std::string query;
    do {
        const Answer answer = peer.get("/c" + query, std::string(kAuth));
        ASSERT_EQ(answer.status, 200) << answer.body;
        const Json page = Json::parse(answer.body);
        ASSERT_LE(page["Items"].size(), limits::items_page_max);
        for (const Json& item : page["Items"])
            ASSERT_EQ(item["Name"], fmt::format("o{:06}", listed++));
        query =
            page.contains("NextToken") ? "?NextToken=" + page["NextToken"].get<std::string>() : "";
    } while (!query.empty());
    EXPECT_EQ(listed, kObjects);
}

TEST_F(UploadServerTest, MediaStoresClientsHearItsDialect) {
    const std::string tag = Json::parse(put("/c/i.m3u8", "0123456789").body)["ETag"];
    const std::string sign(kSigned);
    Answer answer = client().get("/c/i.m3u8", sign + "If-None-Match: " + tag + "\r\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("etag"), tag);
    EXPECT_FALSE(answer.has("cache-control")) << "none was given";
    EXPECT_EQ(client().get("/c/i.m3u8", sign + "Range: bytes=0-1,3-4\r\n").status, 200);
    answer = client().get("/c/i.m3u8", sign + "Range: bytes=0-2\r\n");
    EXPECT_EQ(answer.status, 206);
    EXPECT_EQ(answer.field("content-range"), "bytes 0-2/10");
    answer = client().get("/c/i.m3u8", "If-None-Match: " + tag + "\r\n");
    EXPECT_EQ(answer.status, 304);
    EXPECT_EQ(answer.field("etag"), "\"" + tag + "\"");
    EXPECT_EQ(answer.field("cache-control"), "max-age=1");
}

TEST_F(UploadServerTest, ManyUploadsShareLittleMemory) {
    limits_.bytes_in_flight_max = 128 << 10;
    limits_.window_bytes = 64 << 10;
    const std::string body = patterned(500'000);
    std::vector<RawClient> slow;
    for (int i = 0; i < 12; ++i) {
        slow.push_back(client());
        slow.back().send(put_head("/c/slow" + std::to_string(i), body.size()) +
                         body.substr(0, 100'000));
    }
    EXPECT_EQ(put("/c/quick", body).status, 200) << "idle ones hold nothing";
    EXPECT_EQ(body_of("/c/quick"), body);
    for (auto& peer : slow) peer.send(std::string_view(body).substr(100'000));
    for (auto& peer : slow) EXPECT_EQ(peer.answer().status, 200);
    EXPECT_EQ(body_of("/c/slow7"), body);
}

// An encoder that pushes as fast as it can, one connection after another, and listens to nothing.
TEST_F(UploadServerTest, NoReaderSeesAnOlderPlaylistOrMissesAListedSegment) {
    constexpr int kSegments = 60;
    const std::string segment = patterned(700'000);
    put("/c/live/i.m3u8", "0");
    std::atomic<bool> done{false};
    std::thread reader([&] {
        int newest = 0;
        RawClient peer = client();
        while (!done || newest < kSegments) {
            const Answer playlist = peer.get("/c/live/i.m3u8");
            if (playlist.status != 200) {
                ADD_FAILURE() << playlist.status;
                return;
            }
            const int listed = std::atoi(playlist.body.c_str());
            if (listed < newest) {
                ADD_FAILURE() << "an older playlist: " << listed << " after " << newest;
                return;
            }
            newest = listed;
            if (listed == 0) continue;
            const Answer found = peer.get("/c/live/" + std::to_string(listed) + ".ts");
            if (found.status != 200 || found.body.size() != segment.size()) {
                ADD_FAILURE() << "segment " << listed << ": " << found.status;
                return;
            }
        }
    });
    for (int i = 1; i <= kSegments; ++i) {
        RawClient a = client();
        a.send(chunked_head("/c/live/" + std::to_string(i) + ".ts") + chunk(segment) + "0\r\n\r\n");
        a.close();
        RawClient b = client();
        b.send(chunked_head("/c/live/i.m3u8") + chunk(std::to_string(i)) + "0\r\n\r\n");
        b.close();
    }
    // The last of them answers when all before it have been published.
    EXPECT_EQ(put("/c/live/i.m3u8", std::to_string(kSegments)).status, 200);
    done = true;
    reader.join();
}

}  // namespace
}  // namespace reelfs::http
