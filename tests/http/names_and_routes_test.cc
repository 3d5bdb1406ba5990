// From a request target to what is asked for, from a Host to whom it is for, from a file name to a
// media type.
#include <gtest/gtest.h>

#include "http/host.h"
#include "http/mime.h"
#include "http/route.h"
#include "http/target.h"
#include "reelfs/http/server.h"

namespace reelfs::http {
namespace {

using namespace std::string_literals;

Components segments_of(std::string_view target) {
    auto parsed = parse_target(target);
    EXPECT_TRUE(parsed.ok()) << target;
    return parsed.ok() ? parsed->segments : Components{};
}

TEST(Target, IsDecodedOnceAndEmptySegmentsCollapse) {
    EXPECT_EQ(segments_of("/"), Components{});
    EXPECT_EQ(segments_of("//"), Components{});
    EXPECT_EQ(segments_of("/a/b"), (Components{"a", "b"}));
    EXPECT_EQ(segments_of("//a///b/"), (Components{"a", "b"}));
    EXPECT_EQ(segments_of("/a%20b/%3D%3A~"), (Components{"a b", "=:~"}));
    EXPECT_EQ(segments_of("/%2541"), Components{"%41"});
    EXPECT_EQ(segments_of("/a+b"), Components{"a+b"});
    EXPECT_EQ(segments_of("/%ff%FE"), Components{"\xff\xfe"});
    EXPECT_EQ(segments_of("/a%3Fb"), Components{"a?b"});
    EXPECT_EQ(segments_of("/.../.a/a./..b"), (Components{"...", ".a", "a.", "..b"}));
}

TEST(Target, TheQueryIsKeptAsItCame) {
    const std::string target = "/a?b=%zz/../?c";
    const auto parsed = parse_target(target);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->segments, Components{"a"});
    EXPECT_EQ(parsed->query, "b=%zz/../?c");
}

TEST(Target, EveryEscapedByteIsANameButNulAndSlash) {
    constexpr char kHex[] = "0123456789abcdef";
    for (int byte = 0; byte < 256; ++byte) {
        const std::string target = "/x%"s + kHex[byte >> 4] + kHex[byte & 15];
        const auto parsed = parse_target(target);
        EXPECT_EQ(parsed.ok(), byte != 0 && byte != '/') << byte;
        if (parsed.ok()) {
            EXPECT_EQ(parsed->segments, Components{"x"s + static_cast<char>(byte)});
        }
    }
}

TEST(Target, RefusesWhatCouldBeReadAsAnotherPath) {
    for (const char* target : {"/.", "/..", "/a/./b", "/a/../b", "/%2e", "/%2E%2e/x", "/.%2e",
                               "/a%2fb", "/a%2Fb", "/%2f", "/%", "/%4", "/%4g", "/%%41", "/a/%00"})
        EXPECT_FALSE(parse_target(target).ok()) << target;
    EXPECT_TRUE(parse_target("/" + std::string(255, 'a')).ok());
    EXPECT_FALSE(parse_target("/" + std::string(256, 'a')).ok());
    std::string escaped = "/";
    for (int i = 0; i < 255; ++i) escaped += "%FC";
    EXPECT_TRUE(parse_target(escaped).ok()) << "255 bytes once decoded";
}

TEST(Route, AnEndpointHostNamesTheContainerAndNoSegmentDoes) {
    EXPECT_EQ(endpoint_label("abc.media.example", "media.example"), "abc");
    EXPECT_EQ(endpoint_label("ABC.Media.EXAMPLE:8080", "media.example"), "abc");
    EXPECT_EQ(endpoint_label("abc.media.example.", "media.example"), "abc");
    EXPECT_EQ(endpoint_label("a.b.media.example", "media.example"), "a.b");
    for (const char* other : {"media.example", ".media.example", "xmedia.example", "abc.example",
                              "localhost", "127.0.0.1:80", "[::1]", "media.example:80", ""})
        EXPECT_EQ(endpoint_label(other, "media.example"), std::nullopt) << other;
    EXPECT_EQ(endpoint_label("abc.media.example", ""), std::nullopt);

    const Route root = route_at_endpoint("live", {});
    EXPECT_EQ(root.resource, Resource::kContainer);
    EXPECT_EQ(root.container, "live");
    const Route object = route_at_endpoint("live", {"~reelfs", "time"});
    EXPECT_EQ(object.resource, Resource::kObject);
    EXPECT_EQ(asked_path(object), "/~reelfs/time");
    EXPECT_EQ(asked_path(route_public({"live", "a"})), "/live/a");
    EXPECT_EQ(asked_path(route_public({"live"})), "/live");
}

TEST(Domain, IsAHostNameInLowerCase) {
    EXPECT_EQ(*parse_domain("Media.Example.com"), "media.example.com");
    EXPECT_EQ(*parse_domain("local"), "local");
    for (const char* bad : {"", ".a", "a.", "a..b", "a b", "127.0.0.1", "a:80", "*.a", "[::1]"})
        EXPECT_FALSE(parse_domain(bad).ok()) << bad;
}

TEST(Route, OursComesBeforeContainers) {
    EXPECT_EQ(route_public({"~reelfs", "health"}).resource, Resource::kHealth);
    EXPECT_EQ(route_public({"~reelfs", "time"}).resource, Resource::kTime);
    EXPECT_EQ(route_public({"~reelfs"}).resource, Resource::kUnknown);
    EXPECT_EQ(route_public({"~reelfs", "health", "x"}).resource, Resource::kUnknown);
    EXPECT_EQ(route_public({}).resource, Resource::kRoot);
    EXPECT_EQ(route_public({"live"}).resource, Resource::kContainer);
    const Route route = route_public({"live", "a", "b.ts"});
    EXPECT_EQ(route.resource, Resource::kObject);
    EXPECT_EQ(route.container, "live");
    EXPECT_EQ(route.path, (Components{"a", "b.ts"}));
    EXPECT_EQ(route_admin({"metrics"}), AdminResource::kMetrics);
    EXPECT_EQ(route_admin({"metrics", "x"}), AdminResource::kUnknown);
    EXPECT_EQ(route_admin({}), AdminResource::kUnknown);
}

TEST(Host, LocalIsLocalhostOrALoopbackLiteral) {
    for (const char* host :
         {"localhost", "LocalHost", "localhost:80", "localhost:", "127.0.0.1", "127.0.0.1:65535",
          "127.1.2.3", "[::1]", "[::1]:80", "[0:0:0:0:0:0:0:1]"})
        EXPECT_TRUE(host_is_local(host)) << host;
    for (const char* host :
         {"", "localhost.", "localhost.evil.example", "127.0.0.1.evil.example", "127.1",
          "127.0.0.1:x", "127.0.0.1:123456", "128.0.0.1", "10.0.0.1", "[::2]", "[::1", "::1",
          "[::1]x", "[127.0.0.1]", "[::ffff:127.0.0.1]", "0.0.0.0", "a", "127.0.0.1@evil"})
        EXPECT_FALSE(host_is_local(host)) << host;
}

TEST(Host, AProxyLeavesItsMark) {
    const auto forwarded = [](std::string_view name) {
        RequestHead head;
        head.fields.push_back({name, "x"});
        return was_forwarded(head);
    };
    for (const char* name :
         {"Forwarded", "via", "VIA", "X-Forwarded-For", "x-forwarded-proto", "X-Real-IP"})
        EXPECT_TRUE(forwarded(name)) << name;
    for (const char* name : {"Host", "X-Forwarded", "Viable", "Range"})
        EXPECT_FALSE(forwarded(name)) << name;
}

TEST(Endpoint, IsAnAddressAndAPort) {
    for (const auto& [text, address, port] : std::vector<std::tuple<std::string, std::string, int>>{
             {"127.0.0.1:8787", "127.0.0.1", 8787},
             {"[::1]:0", "::1", 0},
             {"localhost:65535", "localhost", 65535},
             {"0.0.0.0:80", "0.0.0.0", 80}}) {
        const auto parsed = parse_endpoint(text);
        ASSERT_TRUE(parsed.ok()) << text;
        EXPECT_EQ(parsed->address, address);
        EXPECT_EQ(parsed->port, port);
    }
    for (const char* text :
         {"", "8787", ":8787", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
          "::1:80", "[::1]", "example.org:80", "127.0.0.1:8787 "})
        EXPECT_FALSE(parse_endpoint(text).ok()) << text;
    EXPECT_TRUE(is_loopback({"127.0.0.1", 1}));
    EXPECT_TRUE(is_loopback({"127.9.9.9", 1}));
    EXPECT_TRUE(is_loopback({"::1", 1}));
    EXPECT_TRUE(is_loopback({"localhost", 1}));
    EXPECT_FALSE(is_loopback({"0.0.0.0", 1}));
    EXPECT_FALSE(is_loopback({"::", 1}));
    EXPECT_FALSE(is_loopback({"192.168.0.1", 1}));
}

TEST(MediaType, ComesFromTheExtensionInAnyCase) {
    for (const auto& [name, type] : std::vector<std::pair<std::string, std::string>>{
             {"a.m3u8", "application/vnd.apple.mpegurl"},
             {"a.MPD", "application/dash+xml"},
             {"a.ts", "video/mp2t"},
             {"a.m4s", "video/iso.segment"},
             {"a.mp4", "video/mp4"},
             {"a.m4v", "video/mp4"},
             {"a.mov", "video/quicktime"},
             {"a.mkv", "video/x-matroska"},
             {"a.webm", "video/webm"},
             {"a.mxf", "application/mxf"},
             {"a.wav", "audio/wav"},
             {"a.mp3", "audio/mpeg"},
             {"a.aac", "audio/aac"},
             {"a.vtt", "text/vtt"},
             {"a.jpg", "image/jpeg"},
             {"a.png", "image/png"},
             {"a.json", "application/json"},
             {"a.html", "text/html"},
             {"a.txt", "text/plain"},
             {"a.tar.gz", "application/gzip"},
             {"a", "application/octet-stream"},
             {"a.", "application/octet-stream"},
             {"", "application/octet-stream"},
             {"a.unknown", "application/octet-stream"},
             {".ts", "video/mp2t"}})
        EXPECT_EQ(mime_type_of(name), type) << name;
    EXPECT_TRUE(is_manifest("a.M3U8"));
    EXPECT_TRUE(is_manifest("a.mpd"));
    EXPECT_FALSE(is_manifest("a.m3u"));
    EXPECT_FALSE(is_manifest("m3u8"));
}

TEST(FieldValue, IsSafeWhenItIsVisibleAsciiAndShort) {
    EXPECT_TRUE(is_safe_field_value("max-age=1, \"x\"\t;"));
    EXPECT_TRUE(is_safe_field_value(std::string(1024, 'a')));
    EXPECT_FALSE(is_safe_field_value(std::string(1025, 'a')));
    EXPECT_FALSE(is_safe_field_value(""));
    for (int byte = 0; byte < 256; ++byte)
        EXPECT_EQ(is_safe_field_value("a"s + static_cast<char>(byte)),
                  byte == '\t' || (byte >= 0x20 && byte < 0x7f))
            << byte;
}

}  // namespace
}  // namespace reelfs::http
