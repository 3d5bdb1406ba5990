// An ordinary user mounts, through fusermount3. Run as root these tests become user 65534 in a
// child process with mounts of its own; run as an ordinary user they are that user.
//
// What was found on Debian 12: /dev/fuse must be open to the user (mode 0666, the package's udev
// rule). fusermount3, set-uid root, would open a device of mode 0600, but libfuse 3.14 opens it
// first with the user's own rights and never gets to fusermount3. So both modes are tried here,
// each as a node bound over /dev/fuse in the child's own mount namespace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "fuse/fake_tree.h"
#include "fuse/live_mount.h"
#include "reelfs/base/fd.h"

namespace reelfs::fuse {
namespace {

using test::FakeTree;
using test::LiveMount;

constexpr unsigned kUser = 65534;

/// Gives the child a FUSE device with these permissions, in a mount namespace of its own.
void bring_device(mode_t mode) {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << strerror(errno);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << strerror(errno);
    std::string node = "/dev/reelfs-test-fuse-" + std::to_string(getpid());
    ASSERT_EQ(mknod(node.c_str(), S_IFCHR | mode, makedev(10, 229)), 0) << strerror(errno);
    EXPECT_EQ(chmod(node.c_str(), mode), 0);
    EXPECT_EQ(::mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr), 0) << strerror(errno);
    unlink(node.c_str());
}

/// Runs `body` as an ordinary user; true when nothing in it failed.
template <class Body>
bool as_ordinary_user(mode_t device_mode, Body body) {
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0) {
            bring_device(device_mode);
            bool became =
                setresgid(kUser, kUser, kUser) == 0 && setresuid(kUser, kUser, kUser) == 0;
            EXPECT_TRUE(became) << strerror(errno);
        }
        if (!::testing::Test::HasFailure()) body();
        _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void mount_use_and_unmount() {
    SystemClock clock;
    FakeTree tree;
    core::AttributeChange owner;
    owner.uid = getuid();
    owner.gid = getgid();
    ASSERT_TRUE(tree.change({}, kRootNode, owner).ok());
    LiveMount mount(tree, clock);
    ASSERT_TRUE(mount.ok());
    {
        Fd file(open((mount / "f").c_str(), O_CREAT | O_RDWR, 0644));
        ASSERT_TRUE(file) << strerror(errno);
        EXPECT_EQ(write(file.get(), "mine", 4), 4);
        char bytes[4];
        EXPECT_EQ(pread(file.get(), bytes, 4, 0), 4);
        auto refused = mount.session().unmount(false);
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().code(), Errc::kBusy) << refused.error().message();
    }
    auto gone = mount.session().unmount(false);
    EXPECT_TRUE(gone.ok()) << gone.error().message();
    EXPECT_TRUE(mount.join());
    EXPECT_FALSE(test::is_mounted(mount.path()));
    mount.stop();
    EXPECT_EQ(tree.open_files, 0);
}

TEST(UserMount, WorksWithADeviceThatEverybodyMayOpen) {
    EXPECT_TRUE(as_ordinary_user(0666, mount_use_and_unmount));
}

TEST(UserMount, IsToldWhatToDoAboutADeviceThatOnlyRootMayOpen) {
    EXPECT_TRUE(as_ordinary_user(0600, [] {
        SystemClock clock;
        FakeTree tree;
        Metrics metrics;
        test::TemporaryDirectory directory;
        MountOptions options;
        options.mountpoint = directory.path();
        auto mounted = mount(tree, clock, metrics, options, local_attachment(options));
        ASSERT_FALSE(mounted.ok());
        EXPECT_EQ(mounted.error().code(), Errc::kAccessDenied);
        EXPECT_NE(mounted.error().message().find("udev"), std::string::npos);
    }));
}

// An ordinary user cannot make the kernel end the connection, and waited until the file was closed.
TEST(UserMount, ALazyUnmountEndsServingAlthoughAFileIsOpen) {
    EXPECT_TRUE(as_ordinary_user(0666, [] {
        SystemClock clock;
        FakeTree tree;
        core::AttributeChange owner;
        owner.uid = getuid();
        owner.gid = getgid();
        ASSERT_TRUE(tree.change({}, kRootNode, owner).ok());
        LiveMount mount(tree, clock);
        ASSERT_TRUE(mount.ok());
        Fd file(open((mount / "f").c_str(), O_CREAT | O_RDWR, 0644));
        ASSERT_TRUE(file) << strerror(errno);
        auto gone = mount.session().unmount(true);
        EXPECT_TRUE(gone.ok()) << gone.error().message();
        EXPECT_TRUE(mount.join());
        EXPECT_FALSE(test::is_mounted(mount.path()));
        mount.stop();
        EXPECT_EQ(write(file.get(), "late", 4), -1);
        EXPECT_EQ(tree.open_files, 0);
    }));
}

TEST(UserMount, IsTakenDownWhenNobodyEverServedIt) {
    EXPECT_TRUE(as_ordinary_user(0666, [] {
        SystemClock clock;
        FakeTree tree;
        Metrics metrics;
        test::TemporaryDirectory directory;
        MountOptions options;
        options.mountpoint = directory.path();
        options.source = "store";
        {
            auto mounted = mount(tree, clock, metrics, options, local_attachment(options));
            ASSERT_TRUE(mounted.ok()) << mounted.error().message();
            EXPECT_TRUE(test::is_mounted(directory.path()));
        }
        EXPECT_FALSE(test::is_mounted(directory.path()));
    }));
}

TEST(UserMount, AllowOtherNeedsALineInFuseConf) {
    EXPECT_TRUE(as_ordinary_user(0666, [] {
        SystemClock clock;
        FakeTree tree;
        Metrics metrics;
        test::TemporaryDirectory directory;
        MountOptions options;
        options.mountpoint = directory.path();
        options.allow_other = true;
        auto mounted = mount(tree, clock, metrics, options, local_attachment(options));
        std::ifstream file("/etc/fuse.conf");
        std::string conf{std::istreambuf_iterator<char>(file), {}};
        if (mounted.ok()) {
            EXPECT_NE(conf.find("user_allow_other"), std::string::npos);
            return;
        }
        EXPECT_EQ(mounted.error().code(), Errc::kNotPermitted);
        EXPECT_NE(mounted.error().message().find("user_allow_other"), std::string::npos);
        EXPECT_FALSE(test::is_mounted(directory.path()));
    }));
}

}  // namespace
}  // namespace reelfs::fuse
