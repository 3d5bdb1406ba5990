// The protocol, and the server behind a socketpair.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "app/control_server.h"
#include "app/exit_code.h"
#include "app/mount_table.h"
#include "app/unix_socket.h"

namespace reelfs::app {
namespace {

constexpr int kWaitMs = 10'000;

std::vector<Request> every_request() {
    return {request::Status{},
            request::Sync{},
            request::Stop{},
            request::ContainerCreate{
                .name = "a", .mode = 0700, .block_bytes = 4096, .profile = "mediastore"},
            request::ContainerList{},
            request::ContainerDescribe{"b"},
            request::ContainerDelete{"c"},
            request::DocumentPut{"c", DocumentKind::kCors, "[\n1]"},
            request::DocumentGet{"c", DocumentKind::kCors},
            request::DocumentDelete{"c", DocumentKind::kCors},
            request::ContainerQuota{"d", {.bytes = 5, .objects = {}}},
            request::ContainerQuota{"d", {.bytes = std::optional<std::uint64_t>(), .objects = 6}},
            request::UserCreate{"u"},
            request::UserList{},
            request::UserEnable{"u", false},
            request::UserEnable{"u", true},
            request::UserDelete{"u"},
            request::UserRotate{"u"},
            request::TokenCreate{.container = "c", .prefix = "p", .actions = "put", .lifetime = 7},
            request::TokenList{},
            request::TokenRevoke{"t"},
            request::JobStart{
                .name = "backup", .directory = "/d", .container = "c", .rate = 5, .restart = true},
            request::JobStatus{},
            request::JobCancel{},
            request::KeyList{},
            request::KeyChange{.proof = {crypto::SlotKind::kKeyFile, std::string("\0\xff\n", 3)},
                               .add = {crypto::SlotKind::kPassphrase, "p\"q"},
                               .remove = 3,
                               .remove_own = false},
            request::KeyChange{.proof = {crypto::SlotKind::kRecovery, "r"},
                               .add = {},
                               .remove = {},
                               .remove_own = true}};
}

TEST(Protocol, EveryRequestSurvivesTheRoundTrip) {
    for (const Request& request : every_request()) {
        const std::string line = encode_request(request);
        EXPECT_EQ(line.find('\n'), std::string::npos);
        auto back = decode_request(line);
        ASSERT_TRUE(back.ok()) << line;
        EXPECT_EQ(*back, request) << line;
    }
}

TEST(Protocol, GarbageIsRefused) {
    for (const char* bad : {"", "null", "[]", "{}", "{\"request\":\"reboot\"}",
                            "{\"request\":\"sync\",\"request\":\"stop\"}", "{\"request\":1}",
                            "{\"request\":\"container-create\",\"mode\":99999}",
                            "{\"request\":\"document-get\",\"kind\":\"nonsense\"}",
                            "{\"request\":\"container-create\",\"block_bytes\":5}"})
        EXPECT_FALSE(decode_request(bad).ok()) << bad;
    EXPECT_FALSE(decode_request(std::string(100'000, '[')).ok());
}

TEST(Protocol, AnswersCarryResultsAndErrors) {
    auto good = decode_answer(encode_answer(Json{{"n", 5}}));
    ASSERT_TRUE(good.ok());
    EXPECT_EQ(number_member(*good, "n", 0), 5u);
    auto bad = decode_answer(encode_answer(Error(Errc::kExists, "it is there")));
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.error().code(), Errc::kExists);
    EXPECT_EQ(bad.error().message(), "it is there");
    EXPECT_EQ(decode_answer("hm").error().code(), Errc::kIo);
}

TEST(Protocol, BytesThatAreNoTextDoNotBreakAnAnswer) {
    const std::string line = encode_answer(Json{{"name", "\xff\xfe"}});
    EXPECT_TRUE(decode_answer(line).ok());
}

struct Pair {
    Fd ours, theirs;
    Pair() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        ours = Fd(ends[0]);
        theirs = Fd(ends[1]);
    }
};

TEST(Lines, SeveralThatComeAtOnceAreReadOneByOne) {
    Pair pair;
    ASSERT_TRUE(send_line(pair.theirs.get(), "one\ntwo\n").ok());
    pair.theirs.reset();
    LineReader reader(pair.ours.get());
    EXPECT_EQ(*reader.next(100, kWaitMs), "one");
    EXPECT_EQ(*reader.next(100, kWaitMs), "two");
    EXPECT_EQ(*reader.next(100, kWaitMs), "");
    EXPECT_EQ(reader.next(100, kWaitMs).error().code(), Errc::kIo);
}

TEST(Control, RequestsAreAnsweredInOrderWithThePeersIdentity) {
    Pair pair;
    auto server = ControlServer::start_on(
        std::move(pair.theirs), ::geteuid(),
        [](const Request& request, const Peer& peer) -> Answer {
            if (const auto* describe = std::get_if<request::ContainerDescribe>(&request))
                return Json{{"name", describe->name}, {"uid", peer.uid}};
            return Error(Errc::kNotFound, "no");
        });
    for (const char* name : {"one", "two"}) {
        ASSERT_TRUE(
            send_line(pair.ours.get(), encode_request(request::ContainerDescribe{name})).ok());
        auto line = LineReader(pair.ours.get()).next(kAnswerBytesMax, kWaitMs);
        ASSERT_TRUE(line.ok());
        auto answer = decode_answer(*line);
        ASSERT_TRUE(answer.ok());
        EXPECT_EQ(text_member(*answer, "name"), name);
        EXPECT_EQ(number_member(*answer, "uid", 1u << 31), ::geteuid());
    }
}

TEST(Control, AnAnswerLargerThanTheSocketBufferArrivesWhole) {
    Pair pair;
    const std::string large(8 << 20, 'x');
    auto server = ControlServer::start_on(std::move(pair.theirs), ::geteuid(),
                                          [&](const Request&, const Peer&) -> Answer {
                                              return Json{{"text", large}};
                                          });
    ASSERT_TRUE(send_line(pair.ours.get(), encode_request(request::Status{})).ok());
    auto line = LineReader(pair.ours.get()).next(kAnswerBytesMax, kWaitMs);
    ASSERT_TRUE(line.ok());
    auto answer = decode_answer(*line);
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(text_member(*answer, "text").size(), large.size());
}

TEST(Control, ALineBeyondItsLimitIsCut) {
    Pair pair;
    auto server = ControlServer::start_on(
        std::move(pair.theirs), ::geteuid(),
        [](const Request&, const Peer&) -> Answer { return Json::object(); });
    auto sent = send_line(pair.ours.get(), std::string(kRequestBytesMax * 8, 'x'));
    auto line = LineReader(pair.ours.get()).next(kAnswerBytesMax, kWaitMs);
    EXPECT_TRUE(!sent || !line || !decode_answer(*line));
}

TEST(Control, SocketsAreReachedUnderLongPathsAndOnlyWhileServed) {
    std::string base = std::filesystem::temp_directory_path() / "reelfs-control-XXXXXX";
    ASSERT_NE(::mkdtemp(base.data()), nullptr);
    const std::string directory = base + "/" + std::string(120, 'd') + " x";
    std::filesystem::create_directory(directory);
    const std::string path = directory + "/s.sock";
    EXPECT_EQ(connect_unix(path).error().code(), Errc::kNotFound);
    {
        auto listener = listen_unix(path);
        ASSERT_TRUE(listener.ok()) << listener.error().message();
        auto server = ControlServer::start(*std::move(listener), ::geteuid(),
                                           [](const Request&, const Peer&) -> Answer {
                                               return Json{{"k", 1}};
                                           });
        EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::mask,
                  std::filesystem::perms(0600));
        auto socket = connect_unix(path);
        ASSERT_TRUE(socket.ok());
        ASSERT_TRUE(send_line(socket->get(), encode_request(request::Sync{})).ok());
        EXPECT_TRUE(LineReader(socket->get()).next(kAnswerBytesMax, kWaitMs).ok());
    }
    EXPECT_EQ(connect_unix(path).error().code(), Errc::kNotFound);
    std::filesystem::remove_all(base);
}

TEST(MountTable, LinesAreReadWithTheirEscapes) {
    const auto entries = parse_mount_table(
        "36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n"
        "garbage\n"
        "98 36 0:50 / /home/ann/my\\040files rw,nosuid shared:7 - fuse.reelfs /home/ann/a\\134b "
        "rw\n");
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[1].mountpoint, "/home/ann/my files");
    EXPECT_EQ(entries[1].source, "/home/ann/a\\b");
    EXPECT_TRUE(is_reelfs(entries[1]));
    EXPECT_FALSE(is_reelfs(entries[0]));
}

TEST(ExitCode, ScriptsCanTellTheKindsOfErrorsApart) {
    EXPECT_EQ(exit_of(Errc::kWrongKey), Exit::kWrongKey);
    EXPECT_EQ(exit_of(Errc::kBusy), Exit::kBusy);
    EXPECT_EQ(exit_of(Errc::kNotFound), Exit::kNotFound);
    EXPECT_EQ(exit_of(Errc::kInvalid), Exit::kUsage);
    EXPECT_EQ(exit_of(Errc::kCorrupt), Exit::kDamaged);
    EXPECT_EQ(exit_of(Errc::kNewerFormat), Exit::kNewerFormat);
    EXPECT_EQ(exit_of(Errc::kExists), Exit::kExists);
    EXPECT_EQ(exit_of(Errc::kIo), Exit::kFailed);
}

}  // namespace
}  // namespace reelfs::app
