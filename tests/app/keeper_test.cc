// The keeper does what was settled, hands over what it opened, and does nothing else.
#include "app/keeper.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/unix_socket.h"

namespace reelfs::app {
namespace {

class KeeperTest : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / "reelfs-keeper-XXXXXX";
        ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
        std::ofstream(folder_ + "/text") << "some text";
        duties_ = {.mount = std::nullopt,
                   .endpoints = {{"127.0.0.1", 0}},
                   .read = {folder_ + "/text", folder_ + "/absent"},
                   .append = {folder_ + "/log"},
                   .control_socket = folder_ + "/run/x.sock",
                   .owner = {::geteuid(), ::getegid()}};
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::unique_ptr<Keeper> start() {
        auto keeper = Keeper::start(duties_, [] {});
        EXPECT_TRUE(keeper.ok()) << keeper.error().message();
        return *std::move(keeper);
    }

    std::string folder_;
    KeeperDuties duties_;
};

TEST_F(KeeperTest, OpensWhatIsAmongItsDutiesAndNothingElse) {
    auto keeper = start();
    EXPECT_EQ(keeper->read(folder_ + "/text").value(), "some text");
    auto absent = keeper->read(folder_ + "/absent");
    ASSERT_FALSE(absent.ok());
    EXPECT_EQ(absent.error().code(), Errc::kNotFound);
    EXPECT_NE(absent.error().message().find("/absent"), std::string::npos);
    EXPECT_EQ(keeper->read("/etc/passwd").error().code(), Errc::kInvalid);
    EXPECT_EQ(keeper->bind({"127.0.0.1", 1}).error().code(), Errc::kInvalid);
    EXPECT_EQ(keeper->open_log(folder_ + "/text").error().code(), Errc::kInvalid);
    // Not even when the daemon's side does not check.
    EXPECT_EQ(keeper->ask(Keeper::Order::kRead, 2).error().code(), Errc::kInvalid);
    EXPECT_EQ(keeper->ask(Keeper::Order::kAttach).error().code(), Errc::kInvalid);
    EXPECT_EQ(keeper->attachment()->detach(true).error().code(), Errc::kInvalid);
}

TEST_F(KeeperTest, LogsAreMadeAndAppendedTo) {
    auto keeper = start();
    for (const char* line : {"one\n", "two\n"}) {
        auto log = keeper->open_log(folder_ + "/log");
        ASSERT_TRUE(log.ok()) << log.error().message();
        EXPECT_EQ(::write(log->get(), line, 4), 4);
    }
    std::ifstream file(folder_ + "/log");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "one\ntwo\n");
    struct stat status {};
    ASSERT_EQ(::stat((folder_ + "/log").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777u, 0600u);
}

TEST_F(KeeperTest, SocketsItMadeListen) {
    auto keeper = start();
    auto listening = keeper->bind({"127.0.0.1", 0});
    ASSERT_TRUE(listening.ok()) << listening.error().message();
    int accepts = 0;
    socklen_t size = sizeof accepts;
    ASSERT_EQ(::getsockopt(listening->get(), SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size), 0);
    EXPECT_EQ(accepts, 1);
    {
        auto control = keeper->control_socket();
        ASSERT_TRUE(control.ok()) << control.error().message();
        EXPECT_TRUE(connect_unix(duties_.control_socket).ok());
    }
    keeper->remove_control_socket();
    EXPECT_FALSE(std::filesystem::exists(duties_.control_socket));
}

TEST_F(KeeperTest, OneThatIsGoneIsAnErrorAndNotAWait) {
    auto keeper = start();
    EXPECT_TRUE(keeper->read(folder_ + "/text").ok());
    // It is our only child.
    siginfo_t child{};
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    int pid = 0;
    children >> pid;
    ASSERT_GT(pid, 0);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &child, WEXITED | WNOWAIT), 0);
    auto asked = keeper->read(folder_ + "/text");
    ASSERT_FALSE(asked.ok());
    EXPECT_EQ(asked.error().code(), Errc::kIo);
    EXPECT_NE(asked.error().message().find("keeper"), std::string::npos);
}

}  // namespace
}  // namespace reelfs::app
