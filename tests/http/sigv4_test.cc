// Signatures that botocore 1.43 and curl 7.88 computed for the requests they really send (one
// moment, one example key), and the signing keys of AWS's own documentation.
#include "http/sigv4.h"

#include <gtest/gtest.h>

#include "http/sigv4_canonical.h"

namespace reelfs::http::sigv4 {
namespace {

using namespace std::string_literals;

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kCredential =
    "Credential=AKIDEXAMPLE0EXAMPLE0/20261122/us-west-2/mediastore/aws4_request";
constexpr Timestamp kNow{1'795'382'053'000'000'000};  // 2026-11-22 21:14:13

/// One request, as text until it is parsed.
struct Sent {
    std::string method = "GET";
    std::string target = {};
    std::string host = "127.0.0.1:8080";
    std::string signed_names = "host;x-amz-date";
    std::string signature = {};
    std::string fields = {};
    std::string time = "20261122T211412Z";

    std::string text() const {
        std::string head = method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields;
        if (!signature.empty())
            head += "X-Amz-Date: " + time + "\r\nAuthorization: AWS4-HMAC-SHA256 " +
                    std::string(kCredential) + ", SignedHeaders=" + signed_names +
                    ", Signature=" + signature + "\r\n";
        return head + "\r\n";
    }
};

struct Checked {
    int status = 0;  // of the refusal
    std::string type;
    std::optional<PayloadRule> rule;
    bool anonymous = false;
    bool accepted() const { return rule.has_value(); }
};

Checked check_text(const std::string& text, Timestamp now = kNow,
                   std::string_view secret = kSecret) {
    Checked checked;
    RequestHead head;
    EXPECT_FALSE(check_head(text, head)) << text;
    auto parsed = parse(head, "us-west-2", now);
    if (std::holds_alternative<std::monostate>(parsed)) {
        checked.anonymous = true;
        return checked;
    }
    if (auto* refused = std::get_if<Refused>(&parsed)) {
        checked.status = refused->status;
        checked.type = refused->type;
        return checked;
    }
    auto verified = verify(head, std::get<Claim>(parsed), secret);
    if (auto* refused = std::get_if<Refused>(&verified)) {
        checked.status = refused->status;
        checked.type = refused->type;
    } else {
        checked.rule = std::get<PayloadRule>(verified);
    }
    return checked;
}
Checked check(const Sent& sent, Timestamp now = kNow) {
    return check_text(sent.text(), now);
}

Sent get_object() {
    return {.target = "/movies//a/b.ts",
            .signature = "efcbdd1bcf51e74abf2f7ab76bf3abc6917a27c251ddfa8a0a0e818f42b459ac"};
}
Sent put_object() {
    return {.method = "PUT",
            .target = "/movies/d/f.txt",
            .signed_names = "cache-control;content-type;host;x-amz-content-sha256;x-amz-date",
            .signature = "82de4a562ed910e1e08e0b92aea4c0cbafaed98a07c914f92ef7c9da4f0c7acc",
            .fields =
                "Content-Type: text/plain\r\nCache-Control: max-age=6, public\r\n"
                "X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\r\nContent-Length: 5\r\n"};
}
/// A signer that hashes the body and does not say so.
Sent put_with_hashed_body() {
    return {.method = "PUT",
            .target = "/movies/x.ts",
            .signature = "887d0fe127c07643b4b142c6399078371de222a3fccac70d15948570fe530e83",
            .fields = "Content-Length: 5\r\n"};
}

crypto::Digest hash_of(std::string_view body) {
    return crypto::sha256(bytes_of(body));
}

const std::string kPresigned =
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE0EXAMPLE0%2F20261122%2Fus-west-"
    "2%2Fmediastore%2Faws4_request&X-Amz-Date=20261122T211412Z&X-Amz-Expires=60";

Sent presigned_get() {
    return {.target = "/movies//k%3Dv/t%3A1.ts" + kPresigned +
                      "&X-Amz-SignedHeaders=host&X-Amz-Signature="
                      "b83f4e8b14220f2282983cd9e1282049ae7aaded14a27c9f6dd473050042856a",
            .signature = ""};
}
Sent presigned_put(const std::string& content_type) {
    return {.method = "PUT",
            .target = "/movies//p/q.ts" + kPresigned +
                      "&X-Amz-SignedHeaders=content-type%3Bhost&X-Amz-Signature="
                      "1645c0dbd3959cb0012160231fd2fc8727740bfe49433b99dd385b48fe7f3c2f",
            .signature = "",
            .fields = "Content-Type: " + content_type + "\r\nContent-Length: 9\r\n"};
}

TEST(SigV4, SigningKeysAreThoseOfTheDocumentation) {
    EXPECT_EQ(to_hex(signing_key(kSecret, "20120215/us-east-1/iam/aws4_request")),
              "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    EXPECT_EQ(to_hex(signing_key(kSecret, "20150830/us-east-1/iam/aws4_request")),
              "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

TEST(SigV4, WhatBotocoreSendsIsAccepted) {
    const Sent requests[] = {
        get_object(),
        {.target = "/movies/k%3Dv/t%3A1~x.ts",
         .signed_names = "host;range;x-amz-date",
         .signature = "c65d8d277b91a63d3a7e45c927d81f0f88477a6f0e7e318e96623b3f5bde7429",
         .fields = "Range: bytes=0-2\r\n"},
        {.target = "/movies?Path=%2Fa%2Fb&MaxResults=5",
         .signature = "5d80d8437f5d9cef2f155f33fc5248c107d62062b04ca8dc9e8f0a5a6a08e80b"},
        {.method = "DELETE",
         .target = "/movies/d/f.txt",
         .signature = "e48e35f7c7c2dfb08e2f1613c29ce9caa74f8523a6e51e8b3fe73234f8bf7e77",
         .fields = "Content-Length: 0\r\n"},
        {.method = "HEAD",
         .target = "/movies/d/f.txt",
         .signature = "5b56ca68b75153ded64c6ccf04f08b3254e9ec17a1771361c74d8ea2348044d8"},
        put_object(),
        presigned_get(),
    };
    for (const Sent& sent : requests) {
        const Checked checked = check(sent);
        EXPECT_TRUE(checked.accepted()) << sent.target << " " << checked.type;
        if (!checked.accepted()) continue;
        EXPECT_FALSE(checked.rule->needs_digest()) << sent.target;
    }
}

TEST(SigV4, WhatCurlSignsVerbatimIsAccepted) {
    const Sent colon{
        .target = "/movies/k=v/t:1.ts",
        .host = "127.0.0.1:18080",
        .signature = "3ab08a7d326512a0d0ec2b19c5bb650b6b39e0b9a9885cffc73f0790b69f4135",
        .time = "20261122T211413Z"};
    EXPECT_TRUE(check(colon).accepted());
    const Sent query{
        .target = "/movies?MaxResults=5&Path=a%2Fb",
        .host = "127.0.0.1:18080",
        .signature = "6adb6b2e2a5c5f07d3e570bfde0357e5835d67eba59668671ef0c480cf2d1258",
        .time = "20261122T211413Z"};
    EXPECT_TRUE(check(query).accepted());
    const Sent put{.method = "PUT",
                   .target = "/movies/x%20y",
                   .host = "127.0.0.1:18080",
                   .signed_names = "host;x-amz-content-sha256;x-amz-date",
                   .signature = "02e369ff21120042c500a73db3e727d03c14f6200ebd419c5ef463dd6aee7b9f",
                   .fields = "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nContent-Length: 5\r\n",
                   .time = "20261122T211413Z"};
    EXPECT_TRUE(check(put).accepted());
}

TEST(SigV4, ASignerThatDoesNotCollapseSlashesIsAccepted) {
    Sent sent = get_object();
    sent.signature = "c2cd895c6e53078800e48a592d2178874e1bd634857341487dad07a6678b2657";
    EXPECT_TRUE(check(sent).accepted());
}

TEST(SigV4, AnythingSignedThatChangesBreaksIt) {
    std::vector<std::string> tampered;
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"PUT ", "POST "},
                                                          {"/f.txt", "/g.txt"},
                                                          {"f.txt", "f.txt?a=b"},
                                                          {"127.0.0.1", "127.0.0.2"},
                                                          {"8080", "8081"},
                                                          {"text/plain", "text/html"},
                                                          {"max-age=6", "max-age=7"},
                                                          {"211412Z", "211411Z"},
                                                          {"82de4a", "82de4b"},
                                                          {"cache-control;", ""}}) {
        std::string text = put_object().text();
        const std::size_t at = text.find(from);
        ASSERT_NE(at, std::string::npos) << from;
        text.replace(at, from.size(), to);
        const Checked checked = check_text(text);
        EXPECT_EQ(checked.status, 403) << text;
        EXPECT_EQ(checked.type, "InvalidSignatureException") << text;
    }
    EXPECT_EQ(check_text(get_object().text(), kNow, "x").type, "InvalidSignatureException");
}

TEST(SigV4, BlanksInAndAroundSignedValuesDoNotMatter) {
    std::string text = put_object().text();
    const std::string from = "Cache-Control: max-age=6, public";
    text.replace(text.find(from), from.size(), "CACHE-control:   max-age=6, \t public  ");
    EXPECT_TRUE(check_text(text).accepted());
}

TEST(SigV4, ABodyHashThatIsNotStatedIsCheckedWithTheBody) {
    const Checked checked = check(put_with_hashed_body());
    ASSERT_TRUE(checked.accepted());
    EXPECT_TRUE(checked.rule->needs_digest());
    EXPECT_TRUE(checked.rule->accepts(hash_of("hello")));
    EXPECT_FALSE(checked.rule->accepts(hash_of("hellO")));
    Sent forged = put_with_hashed_body();
    forged.signature[0] = '9';
    EXPECT_FALSE(check(forged).rule->accepts(hash_of("hello")));
    // Where no body is taken there is nothing to wait for.
    forged.method = "GET";
    EXPECT_EQ(check(forged).type, "InvalidSignatureException");
}

TEST(SigV4, AControlRequestIsCheckedWithItsBody) {
    const Checked checked =
        check({.method = "POST",
               .target = "/",
               .signed_names = "content-type;host;x-amz-date;x-amz-target",
               .signature = "2313ef00ca6bb9b6d17cea0483de9b603474d5ee70dfa9d8aefdbff109bebaac",
               .fields = "X-Amz-Target: MediaStore_20170901.ListContainers\r\nContent-Type: "
                         "application/x-amz-json-1.1\r\nContent-Length: 2\r\n"});
    ASSERT_TRUE(checked.accepted());
    EXPECT_TRUE(checked.rule->accepts(hash_of("{}")));
    EXPECT_FALSE(checked.rule->accepts(hash_of("{ }")));
}

TEST(SigV4, ASignatureOverAnEmptyBodyCoversNoOther) {
    Sent put{.method = "PUT",
             .target = "/movies/x.ts",
             .signature = "226db7722affb11948b42d3594cdba2a578a16c8896d9f3010b0b2f1aa4cf6e8"};
    put.fields = "Content-Length: 5\r\n";  // as curl -T does it
    EXPECT_EQ(check(put).type, "InvalidSignatureException");
    put.fields = "Content-Length: 0\r\n";
    ASSERT_TRUE(check(put).accepted());
    put.fields = "Transfer-Encoding: chunked\r\n";  // it may turn out to be empty
    ASSERT_TRUE(check(put).accepted());
    EXPECT_TRUE(check(put).rule->accepts(hash_of("")));
    EXPECT_FALSE(check(put).rule->accepts(hash_of("hello")));
}

TEST(SigV4, CurlThatHashesWhatItSendsIsCheckedWithTheBody) {
    const Checked checked =
        check({.method = "PUT",
               .target = "/movies/b",
               .host = "127.0.0.1:18080",
               .signature = "75a739f019a020ff03c46261c6ea2ec77f3e0839a2a93c1112757bb93267089c",
               .fields = "Content-Length: 5\r\n",
               .time = "20261122T211413Z"});
    ASSERT_TRUE(checked.accepted());
    EXPECT_TRUE(checked.rule->accepts(hash_of("hello")));
}

TEST(SigV4, PresignedUrlsHoldUntilTheyExpire) {
    const auto at = [](std::int64_t seconds) {
        return Timestamp{kNow.ns + seconds * 1'000'000'000};
    };
    EXPECT_TRUE(check(presigned_get(), at(59)).accepted());
    const Checked late = check(presigned_get(), at(60));
    EXPECT_EQ(late.status, 400);
    EXPECT_EQ(late.type, "RequestExpired");
    EXPECT_TRUE(check(presigned_get(), at(-800)).accepted());
    EXPECT_EQ(check(presigned_get(), at(-1'000)).type, "RequestExpired");
}

TEST(SigV4, APresignedPutTakesAnyBodyButOnlyItsContentType) {
    const Checked checked = check(presigned_put("video/mp2t"));
    ASSERT_TRUE(checked.accepted());
    EXPECT_FALSE(checked.rule->needs_digest());
    const Checked other = check(presigned_put("text/html"));
    ASSERT_TRUE(other.accepted());  // the body's hash could still make it fit
    EXPECT_FALSE(other.rule->accepts(hash_of("some body")));
    Sent as_get = presigned_put("text/html");
    as_get.method = "GET";
    EXPECT_EQ(check(as_get).type, "InvalidSignatureException");
}

TEST(SigV4, APresignedUrlWithOneCharacterChangedIsRefused) {
    for (const char* part : {"t%3A1", "us-west-2", "T211412Z", "Expires=60", "b83f4e"}) {
        Sent sent = presigned_get();
        const std::size_t at = sent.target.find(part) + std::string_view(part).size() - 1;
        sent.target[at] = sent.target[at] == '1' ? '2' : '1';
        const Checked checked = check(sent);
        EXPECT_FALSE(checked.accepted()) << part;
        EXPECT_FALSE(checked.anonymous) << part;
    }
}

// Found by fuzzing: nanoseconds since 1970 end in 2262.
TEST(SigV4, AYearBeyondWhatATimestampHoldsIsRefused) {
    for (const char* date : {"80261122T211412Z", "22630101T000000Z", "99991231T235959Z"}) {
        Sent sent = presigned_get();
        const std::size_t at = sent.target.find("X-Amz-Date=") + 11;
        sent.target.replace(at, 16, date);
        EXPECT_FALSE(check(sent).accepted()) << date;
    }
}

TEST(SigV4, AClockMoreThanAQuarterOfAnHourOffIsRefused) {
    const auto at = [](std::int64_t seconds) {
        return Timestamp{kNow.ns + seconds * 1'000'000'000};
    };
    for (std::int64_t fine : {-899, 0, 899}) EXPECT_TRUE(check(get_object(), at(fine)).accepted());
    for (std::int64_t off : {-1'200, 1'200}) {
        const Checked checked = check(get_object(), at(off));
        EXPECT_EQ(checked.status, 400);
        EXPECT_EQ(checked.type, "RequestExpired");
    }
}

TEST(SigV4, AnHttpDateServesWhereAmzDateIsMissing) {
    RequestHead head;
    const std::string text =
        "GET /a HTTP/1.1\r\nHost: h\r\nDate: Sun, 22 Nov 2026 21:14:13 GMT\r\n" +
        ("Authorization: AWS4-HMAC-SHA256 " + std::string(kCredential)) +
        ",SignedHeaders=host;date,Signature=" + std::string(64, 'a') + "\r\n\r\n";
    ASSERT_FALSE(check_head(text, head));
    const auto parsed = parse(head, "us-west-2", kNow);
    ASSERT_TRUE(std::holds_alternative<Claim>(parsed));
    EXPECT_EQ(std::get<Claim>(parsed).time, "20261122T211413Z");
    EXPECT_EQ(std::get<Claim>(parsed).scope, "20261122/us-west-2/mediastore/aws4_request");
}

TEST(SigV4, AnotherScopeIsRefused) {
    for (const char* credential :
         {"KEY/20261122/eu-west-1/mediastore/aws4_request",
          "KEY/20261122/us-west-2/s3/aws4_request", "KEY/20261122/us-west-2/mediastore/aws4",
          "KEY/20261121/us-west-2/mediastore/aws4_request"}) {
        std::string text = get_object().text();
        text.replace(text.find(kCredential) + 11, kCredential.size() - 11, credential);
        EXPECT_EQ(check_text(text).type, "InvalidSignatureException") << credential;
    }
}

TEST(SigV4, WhatIsMalformedIsIncomplete) {
    const std::string good = get_object().text();
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"Signature=efcb", "Signature=xfcb"},
             {"Signature=ef", "Signature="},
             {", Signature", ", Sig"},
             {"SignedHeaders=host;", "SignedHeaders="},
             {"AKIDEXAMPLE0EXAMPLE0/", "/"},
             {"AKIDEXAMPLE0EXAMPLE0/", ""},
             {"AKIDEXAMPLE0EXAMPLE0/", "a/b/"},
             {"X-Amz-Date", "X-Other"},
             {"20261122T211412Z", "20261322T211412Z"},
             {"20261122T211412Z", "yesterday"},
             {"SignedHeaders=", "SignedHeaders=host, SignedHeaders="}}) {
        std::string text = good;
        text.replace(text.find(from), from.size(), to);
        const Checked checked = check_text(text);
        EXPECT_EQ(checked.status, 400) << text;
        EXPECT_EQ(checked.type, "IncompleteSignature") << text;
    }
    Sent both = presigned_get();
    both.fields = "Authorization: Basic YTpi\r\n";
    EXPECT_EQ(check(both).type, "IncompleteSignature");
}

TEST(SigV4, ManySignedNamesAreRefusedBeforeAnybodyLooksThem) {
    Sent sent = get_object();
    for (int i = 0; i < 100; ++i) sent.signed_names += ";a" + std::to_string(i);
    EXPECT_EQ(check(sent).type, "IncompleteSignature");
}

TEST(SigV4, HashValuesOfOtherProtocolsAreInvalid) {
    for (const char* value : {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD",
                              "", "unsigned-payload", "e3b0c442"}) {
        std::string text = put_object().text();
        const std::string from = "UNSIGNED-PAYLOAD";
        text.replace(text.find(from), from.size(), value);
        const Checked checked = check_text(text);
        EXPECT_EQ(checked.status, 400) << value;
        EXPECT_EQ(checked.type, "ValidationException") << value;
    }
}

TEST(SigV4, AHashThatIsNotSignedIsRefused) {
    Sent sent = get_object();
    sent.fields = "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n";
    EXPECT_EQ(check(sent).type, "InvalidSignatureException");
}

TEST(SigV4, SessionTokensAreUnknownHere) {
    Sent sent = get_object();
    sent.fields = "X-Amz-Security-Token: bogus\r\n";
    EXPECT_EQ(check(sent).type, "UnrecognizedClientException");
    EXPECT_EQ(check(sent).status, 403);
}

TEST(SigV4, UnsignedRequestsAreNobodys) {
    EXPECT_TRUE(check({.target = "/a?b=c", .signature = ""}).anonymous);
    EXPECT_TRUE(check({.target = "/a", .signature = "", .fields = "Authorization: Basic YTpi\r\n"})
                    .anonymous);
    EXPECT_EQ(check({.target = "/a?X-Amz-Credential=b", .signature = ""}).type,
              "MissingAuthenticationTokenException");
}

TEST(Canonical, Paths) {
    using List = std::vector<std::string>;
    EXPECT_EQ(canonical_paths("/a/b"), List{"/a/b"});
    EXPECT_EQ(canonical_paths("//a//b"), (List{"/a/b", "//a//b"}));
    EXPECT_EQ(canonical_paths("/k%3Dv"), (List{"/k%253Dv", "/k%3Dv"}));
    EXPECT_EQ(canonical_paths("//k=v"), (List{"/k%3Dv", "//k%3Dv", "//k=v"}));
    EXPECT_EQ(collapsed("/"), "/");
    EXPECT_EQ(collapsed(""), "/");
    EXPECT_EQ(collapsed("//"), "/");
    EXPECT_EQ(collapsed("/a//"), "/a/");
    EXPECT_EQ(collapsed("/a/./b/../c"), "/a/c");
    EXPECT_EQ(collapsed("/../a"), "/a");
}

TEST(Canonical, Queries) {
    EXPECT_EQ(canonical_query(""), "");
    EXPECT_EQ(canonical_query("b=2&a=1"), "a=1&b=2");
    EXPECT_EQ(canonical_query("a=2&a=1&a"), "a=&a=1&a=2");
    EXPECT_EQ(canonical_query("x=%2F+&X-Amz-Signature=s&&y"), "x=%2F+&y=");
    EXPECT_EQ(canonical_query("a=b=c"), "a=b=c");
}

TEST(Canonical, RepeatedHeadersAreJoined) {
    RequestHead head;
    const std::string text = "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1  2\r\nx-a: 3\r\n\r\n";
    ASSERT_FALSE(check_head(text, head));
    EXPECT_EQ(canonical_headers(head, {"host", "x-a", "x-gone"}), "host:h\nx-a:1 2,3\nx-gone:\n");
}

TEST(AmzTime, IsExact) {
    EXPECT_EQ(parse_amz_time("20130524T000000Z"), 1'369'353'600);
    for (const char* bad : {"", "20130524T000000", "20130524 000000Z", "20130532T000000Z",
                            "2013052aT000000Z", "20130524T240000Z", "+0130524T000000Z"})
        EXPECT_FALSE(parse_amz_time(bad)) << bad;
}

}  // namespace
}  // namespace reelfs::http::sigv4
