// A mount's life and its ends: unmounted by us, by others, lazily, aborted, never served, killed;
// and mounts that are refused. Needs /dev/fuse and root.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <future>

#include "fuse/connection.h"
#include "fuse/fake_tree.h"
#include "fuse/files.h"
#include "fuse/live_mount.h"
#include "fuse/session.h"
#include "reelfs/base/fd.h"

namespace reelfs::fuse {
namespace {

using test::FakeTree;
using test::LiveMount;
using test::write_file;

class LifecycleTest : public ::testing::Test {
  protected:
    SystemClock clock_;
};

TEST_F(LifecycleTest, UnmountRefusesWhileInUseUnlessLazy) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "x");
    Fd file(open((mount / "f").c_str(), O_RDONLY));
    auto refused = mount.session().unmount(false);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), Errc::kBusy);
    EXPECT_NE(refused.error().message().find("fuser"), std::string::npos);
    EXPECT_TRUE(test::is_mounted(mount.path()));

    ASSERT_TRUE(mount.session().unmount(true).ok());
    EXPECT_FALSE(test::is_mounted(mount.path()));
    char byte = 0;
    EXPECT_EQ(read(file.get(), &byte, 1), -1) << "whoever still has a file open is told";
    EXPECT_TRUE(mount.join()) << "and serve() does not wait for them";
    file.reset();
    EXPECT_TRUE(mount.session().unmount(false).ok()) << "gone already is fine";
    mount.stop();
    EXPECT_EQ(tree.open_files, 0);
}

TEST_F(LifecycleTest, ServeReturnsWhenSomebodyElseUnmounts) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "x");
    ASSERT_EQ(umount2(mount.path().c_str(), 0), 0);
    EXPECT_TRUE(mount.join());
}

TEST(Device, AMountGoneInTheMiddleOfARequestIsNoErrorToLibfuse) {
    // Rare on a real mount (once in thousands of unmounts); then serve() failed, and libfuse's
    // perror, cancelled half way, left stderr locked: the next log line hung the mount.
    EXPECT_EQ(device_read_error(ECONNABORTED), ENODEV);
    EXPECT_EQ(device_read_error(ENODEV), ENODEV);
    EXPECT_EQ(device_read_error(EINTR), EINTR);
    EXPECT_EQ(device_read_error(EIO), EIO);
}

TEST_F(LifecycleTest, AbortedWhileRequestsArriveItEndsWithoutAnError) {
    // Whichever way the kernel tells a worker that is just being handed a request.
    for (int round = 0; round < 40; ++round) {
        FakeTree tree;
        LiveMount mount(tree, clock_);
        ASSERT_TRUE(mount.ok());
        std::atomic<bool> stop{false};
        std::thread client([&] {
            struct stat status {};
            for (int n = 0; !stop; ++n)  // the kernel asks once for each name
                stat((mount / ("absent" + std::to_string(n))).c_str(), &status);
        });
        while (tree.lookups < 20) std::this_thread::yield();
        EXPECT_EQ(umount2(mount.path().c_str(), MNT_FORCE | MNT_DETACH), 0);
        EXPECT_TRUE(mount.join());
        stop = true;
        client.join();
    }
}

TEST_F(LifecycleTest, AbortedWithFilesOpenEveryHandleGoesBackToTheTree) {
    FakeTree tree;
    {
        LiveMount mount(tree, clock_);
        ASSERT_TRUE(mount.ok());
        write_file(mount / "f", "x");
        Fd file(open((mount / "f").c_str(), O_RDONLY));
        DIR* directory = opendir(mount.path().c_str());
        EXPECT_GE(tree.open_files, 1);
        mount.stop();
        char byte = 0;
        EXPECT_EQ(pread(file.get(), &byte, 1, 4096), -1);
        closedir(directory);
    }
    EXPECT_EQ(tree.open_files, 0);
    EXPECT_EQ(tree.listener, nullptr);
}

TEST_F(LifecycleTest, AMountThatIsNeverServedIsTakenDown) {
    FakeTree tree;
    Metrics metrics;
    test::TemporaryDirectory directory;
    MountOptions options;
    options.mountpoint = directory.path();
    options.source = "store";
    std::future<int> asking;
    {
        auto mounted = mount(tree, clock_, metrics, options, local_attachment(options));
        ASSERT_TRUE(mounted.ok()) << mounted.error().message();
        EXPECT_TRUE(test::is_mounted(directory.path()));
        // Somebody already waits for an answer that will never come; a change is being announced.
        asking = std::async(std::launch::async, [&] {
            struct stat status {};
            return stat((directory.path() + "/x").c_str(), &status);
        });
        tree.listener.load()->entry_changed(kRootNode, "x");
    }
    EXPECT_EQ(asking.get(), -1);
    EXPECT_FALSE(test::is_mounted(directory.path()));
    EXPECT_EQ(tree.listener, nullptr);
}

TEST_F(LifecycleTest, MountpointsThatCannotWorkAreRefusedWithWhatToDo) {
    FakeTree tree;
    Metrics metrics;
    test::TemporaryDirectory directory;
    auto refuse = [&](const std::string& path, Errc code, std::string_view says) {
        MountOptions options;
        options.mountpoint = path;
        auto mounted = mount(tree, clock_, metrics, options, local_attachment(options));
        ASSERT_FALSE(mounted.ok()) << path;
        EXPECT_EQ(mounted.error().code(), code) << mounted.error().message();
        EXPECT_NE(mounted.error().message().find(says), std::string::npos)
            << mounted.error().message();
    };
    refuse(directory.path() + "/missing", Errc::kNotFound, "mkdir");
    refuse("relative", Errc::kInvalid, "absolute");
    std::string file = directory.path() + "/file";
    write_file(file, "x");
    refuse(file, Errc::kNotDirectory, "not a directory");
    refuse(directory.path(), Errc::kNotEmpty, "not empty");
    unlink(file.c_str());

    MountOptions options;
    options.mountpoint = directory.path();
    options.other = {"no_such_option"};
    auto mounted = mount(tree, clock_, metrics, options, local_attachment(options));
    ASSERT_FALSE(mounted.ok());
    EXPECT_NE(mounted.error().message().find("no_such_option"), std::string::npos)
        << mounted.error().message();
    EXPECT_FALSE(test::is_mounted(directory.path()));
}

TEST_F(LifecycleTest, ADeadMountIsNamedWithTheCommandThatClearsIt) {
    FakeTree tree;
    Metrics metrics;
    test::TemporaryDirectory directory;
    MountOptions options;
    options.mountpoint = directory.path();
    options.source = "dead";
    // A daemon that mounts and is killed.
    pid_t child = fork();
    if (child == 0) {
        auto mounted = mount(tree, clock_, metrics, options, local_attachment(options));
        kill(getpid(), mounted.ok() ? SIGKILL : SIGTERM);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    auto mounted = mount(tree, clock_, metrics, options, local_attachment(options));
    ASSERT_FALSE(mounted.ok());
    EXPECT_EQ(mounted.error().code(), Errc::kBusy);
    EXPECT_NE(mounted.error().message().find("reelfs umount --force"), std::string::npos);
}

}  // namespace
}  // namespace reelfs::fuse
