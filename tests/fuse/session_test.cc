// A real mount over a tree in memory: what the kernel does with what the mount answers. Needs
// /dev/fuse and root, as does every mount without fusermount3.
#include "fuse/session.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <set>

#include "fuse/fake_tree.h"
#include "fuse/files.h"
#include "fuse/live_mount.h"
#include "reelfs/base/fd.h"

namespace reelfs::fuse {
namespace {

using test::as_user;
using test::FakeTree;
using test::LiveMount;
using test::read_file;
using test::write_file;

class SessionTest : public ::testing::Test {
  protected:
    SystemClock clock_;
};

TEST_F(SessionTest, AgreesOnTheFlagsThatLibfuseLeavesOut) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    EXPECT_NE(mount.session().agreed_flags() & init_flags::kParallelDirops, 0u);
    EXPECT_NE(mount.session().agreed_flags() & init_flags::kHandleKillprivV2, 0u);
    std::ifstream mounts("/proc/self/mountinfo");
    std::string all{std::istreambuf_iterator<char>(mounts), {}};
    std::size_t line = all.find(" " + mount.path() + " ");
    ASSERT_NE(line, std::string::npos);
    std::string ours = all.substr(line, all.find('\n', line) - line);
    EXPECT_NE(ours.find("fuse.reelfs a,store\\134with\\040specials"), std::string::npos) << ours;
    EXPECT_NE(ours.find("nosuid,nodev"), std::string::npos) << ours;
    EXPECT_NE(ours.find("default_permissions"), std::string::npos) << ours;
}

TEST_F(SessionTest, AccessControlListsAreSpokenOfOnlyWhenAskedFor) {
    constexpr std::uint64_t kAcl = FUSE_POSIX_ACL | FUSE_DONT_MASK;
    FakeTree tree;
    for (bool acl : {false, true}) {
        MountOptions options;
        options.acl = acl;
        LiveMount mount(tree, clock_, options);
        ASSERT_TRUE(mount.ok());
        EXPECT_EQ(mount.session().agreed_flags() & kAcl, acl ? kAcl : 0u);
        std::string path = mount / "f";
        write_file(path, "");
        if (acl) {
            // One list with a named user; the tree behind this test keeps it as it is.
            const auto list = *from_hex(
                "0200000001000600ffffffff02000500d204000004000400ffffffff10000500ffffffff"
                "20000000ffffffff");
            ASSERT_EQ(
                setxattr(path.c_str(), "system.posix_acl_access", list.data(), list.size(), 0), 0);
            EXPECT_EQ(listxattr(path.c_str(), nullptr, 0), 24);
            EXPECT_EQ(getxattr(path.c_str(), "system.posix_acl_default", nullptr, 0), -1);
            EXPECT_EQ(errno, ENODATA);
        } else {
            EXPECT_EQ(setxattr(path.c_str(), "system.posix_acl_access", "", 0, 0), -1);
            EXPECT_EQ(errno, EOPNOTSUPP);
        }
    }
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    EXPECT_EQ(listxattr((mount / "f").c_str(), nullptr, 0), 0) << "not listed without -o acl";
}

TEST_F(SessionTest, TheUmaskIsToldToTheTree) {
    FakeTree tree;
    for (bool acl : {false, true}) {
        MountOptions options;
        options.acl = acl;
        LiveMount mount(tree, clock_, options);
        ASSERT_TRUE(mount.ok());
        const std::string path = mount / (acl ? "with" : "without");
        const mode_t before = umask(027);
        EXPECT_EQ(mkdir(path.c_str(), 0777), 0);
        Fd file(open((path + "/f").c_str(), O_CREAT | O_WRONLY, 0666));
        EXPECT_EQ(mknod((path + "/n").c_str(), S_IFIFO | 0666, 0), 0);
        umask(before);
        EXPECT_EQ(tree.last_umask(), 027u);
        struct stat status {};
        ASSERT_EQ(stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777u, 0750u);
        ASSERT_EQ(stat((path + "/f").c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777u, 0640u);
        ASSERT_EQ(stat((path + "/n").c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777u, 0640u);
    }
}

TEST_F(SessionTest, LooksUpNamesOfOneDirectoryInParallel) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    tree.meet(2);
    auto look = [&](const char* name) {
        struct stat status {};
        return stat((mount / name).c_str(), &status);
    };
    auto other = std::async(std::launch::async, look, "meet-1");
    look("meet-2");
    other.get();
    EXPECT_TRUE(tree.met());
}

TEST_F(SessionTest, CapabilitiesAreAskedForOnceAndNotBeforeEachWrite) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    Fd file(open((mount / "f").c_str(), O_CREAT | O_WRONLY, 0644));
    for (int i = 0; i < 20; ++i) ASSERT_EQ(write(file.get(), "x", 1), 1);
    EXPECT_EQ(mount.metrics().operation("mount", "write").requests.load(), 20u);
    EXPECT_LE(mount.metrics().operation("mount", "getxattr").requests.load(), 1u);
}

TEST_F(SessionTest, LetsTheKernelReadAMebibyteAhead) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    struct stat status {};
    ASSERT_EQ(stat(mount.path().c_str(), &status), 0);
    std::ifstream knob("/sys/class/bdi/" + std::to_string(major(status.st_dev)) + ":" +
                       std::to_string(minor(status.st_dev)) + "/read_ahead_kb");
    int kib = 0;
    knob >> kib;
    EXPECT_EQ(kib, 1024);
}

TEST_F(SessionTest, NamesAndContentGoThroughAndHandlesComeBack) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "a", "hello");
    EXPECT_EQ(read_file(mount / "a"), "hello");
    ASSERT_EQ(mkdir((mount / "d").c_str(), 0755), 0);
    EXPECT_EQ(mkdir((mount / "d").c_str(), 0755), -1);
    EXPECT_EQ(errno, EEXIST);
    ASSERT_EQ(rename((mount / "a").c_str(), (mount / "d/b").c_str()), 0);
    EXPECT_EQ(read_file(mount / "d/b"), "hello");
    EXPECT_EQ(rmdir((mount / "d").c_str()), -1);
    EXPECT_EQ(errno, ENOTEMPTY);
    ASSERT_EQ(symlink("d/b", (mount / "l").c_str()), 0);
    EXPECT_EQ(read_file(mount / "l"), "hello");
    ASSERT_EQ(link((mount / "d/b").c_str(), (mount / "h").c_str()), 0);
    struct stat status {};
    ASSERT_EQ(stat((mount / "h").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 2u);
    EXPECT_EQ(status.st_blksize, 1 << 20);
    ASSERT_EQ(mknod((mount / "fifo").c_str(), S_IFIFO | 0600, 0), 0);
    ASSERT_EQ(stat((mount / "fifo").c_str(), &status), 0);
    EXPECT_TRUE(S_ISFIFO(status.st_mode));
    ASSERT_EQ(unlink((mount / "h").c_str()), 0);
    EXPECT_EQ(read_file(mount / "d/b"), "hello");
    mount.session().unmount(false).value();
    EXPECT_TRUE(mount.join());
    mount.stop();  // a RELEASE may still have been under way; what it left goes back here
    EXPECT_EQ(tree.open_files, 0);
    EXPECT_GT(mount.metrics().operation("mount", "write").bytes.load(), 0u);
}

TEST_F(SessionTest, RenameKnowsItsFlags) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "a", "A");
    write_file(mount / "b", "B");
    auto rename2 = [&](unsigned flags) {
        return renameat2(AT_FDCWD, (mount / "a").c_str(), AT_FDCWD, (mount / "b").c_str(), flags);
    };
    EXPECT_EQ(rename2(RENAME_NOREPLACE), -1);
    EXPECT_EQ(errno, EEXIST);
    ASSERT_EQ(rename2(RENAME_EXCHANGE), 0);
    EXPECT_EQ(read_file(mount / "a"), "B");
    EXPECT_EQ(read_file(mount / "b"), "A");
    EXPECT_EQ(rename2(RENAME_WHITEOUT), -1);
    EXPECT_EQ(errno, EINVAL);
    ASSERT_EQ(rename2(0), 0);
    EXPECT_EQ(read_file(mount / "b"), "B");
}

TEST_F(SessionTest, AContainersRootIsTheRootOfItsMount) {
    FakeTree tree(NodeId{57});
    MountOptions options;
    options.root = NodeId{57};
    LiveMount mount(tree, clock_, options);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "x", "inside");
    EXPECT_EQ(read_file(mount / "x"), "inside");
    struct stat status {};
    ASSERT_EQ(stat(mount.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_ino, 1u);
    DIR* directory = opendir(mount.path().c_str());
    ASSERT_TRUE(directory);
    while (const dirent* entry = readdir(directory)) {
        std::string_view name = entry->d_name;
        if (name == "." || name == "..") {
            EXPECT_EQ(entry->d_ino, 1u) << name;
        } else {
            EXPECT_GE(entry->d_ino, 1000u) << name;
        }
    }
    closedir(directory);
}

TEST_F(SessionTest, XattrsAnswerSizesRangesAndWhatTheyDoNotHave) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    std::string path = mount / "f";
    write_file(path, "");
    char value[64];
    EXPECT_EQ(setxattr(path.c_str(), "user.a", "12345", 5, XATTR_REPLACE), -1);
    EXPECT_EQ(errno, ENODATA);
    ASSERT_EQ(setxattr(path.c_str(), "user.a", "12345", 5, XATTR_CREATE), 0);
    EXPECT_EQ(setxattr(path.c_str(), "user.a", "12345", 5, XATTR_CREATE), -1);
    EXPECT_EQ(errno, EEXIST);
    EXPECT_EQ(getxattr(path.c_str(), "user.a", nullptr, 0), 5);
    EXPECT_EQ(getxattr(path.c_str(), "user.a", value, 4), -1);
    EXPECT_EQ(errno, ERANGE);
    EXPECT_EQ(getxattr(path.c_str(), "user.a", value, sizeof value), 5);
    EXPECT_EQ(listxattr(path.c_str(), nullptr, 0), 7);
    EXPECT_EQ(listxattr(path.c_str(), value, 3), -1);
    EXPECT_EQ(errno, ERANGE);
    EXPECT_EQ(listxattr(path.c_str(), value, sizeof value), 7);
    EXPECT_STREQ(value, "user.a");
    EXPECT_EQ(getxattr(path.c_str(), "user.b", value, sizeof value), -1);
    EXPECT_EQ(errno, ENODATA);
    for (const char* absent : {"security.selinux", "system.posix_acl_access"}) {
        EXPECT_EQ(getxattr(path.c_str(), absent, value, sizeof value), -1) << absent;
        EXPECT_EQ(errno, EOPNOTSUPP) << absent;
    }
    EXPECT_EQ(getxattr(path.c_str(), "security.capability", value, sizeof value), -1);
    EXPECT_EQ(errno, ENODATA);
    ASSERT_EQ(removexattr(path.c_str(), "user.a"), 0);
    EXPECT_EQ(listxattr(path.c_str(), value, sizeof value), 0);
}

TEST_F(SessionTest, AttributesAreSetAndRangesWork) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    std::string path = mount / "f";
    write_file(path, "0123456789");
    ASSERT_EQ(chmod(path.c_str(), 0640), 0);
    ASSERT_EQ(chown(path.c_str(), 12, 34), 0);
    timespec times[2] = {{5, 6}, {-7, 8}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    ASSERT_EQ(truncate(path.c_str(), 8), 0);
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777u, 0640u);
    EXPECT_EQ(status.st_uid, 12u);
    EXPECT_EQ(status.st_gid, 34u);
    EXPECT_EQ(status.st_size, 8);
    Fd file(open(path.c_str(), O_RDWR | O_APPEND));
    ASSERT_EQ(write(file.get(), "ab", 2), 2);
    EXPECT_EQ(read_file(path), "01234567ab");
    ASSERT_EQ(fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3), 0);
    EXPECT_EQ(read_file(path), std::string("01\0\0\0"
                                           "567ab",
                                           10));
    EXPECT_EQ(fallocate(file.get(), FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(lseek(file.get(), 0, SEEK_HOLE), 10);
    EXPECT_EQ(lseek(file.get(), 100, SEEK_DATA), -1);
    EXPECT_EQ(errno, ENXIO);
    Fd copy(open((mount / "copy").c_str(), O_CREAT | O_WRONLY, 0644));
    off_t from = 5;
    off_t to = 0;
    EXPECT_EQ(copy_file_range(file.get(), &from, copy.get(), &to, 100, 0), 5);
    EXPECT_EQ(read_file(mount / "copy"), "567ab");
    ASSERT_EQ(ftruncate(file.get(), 3), 0);
    EXPECT_EQ(fsync(file.get()), 0);
    EXPECT_EQ(read_file(path).size(), 3u);
    struct statvfs space {};
    ASSERT_EQ(statvfs(mount.path().c_str(), &space), 0);
    EXPECT_EQ(space.f_blocks * space.f_frsize, 1u << 30);
    EXPECT_EQ(space.f_namemax, 255u);
}

TEST_F(SessionTest, SyncOpensAreToldToTheTree) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "x");
    EXPECT_FALSE(tree.last_flags().sync);
    Fd file(open((mount / "f").c_str(), O_WRONLY | O_DSYNC));
    EXPECT_TRUE(tree.last_flags().sync);
}

TEST_F(SessionTest, AWriteByAnOrdinaryUserTakesSuidAway) {
    FakeTree tree;
    MountOptions options;
    options.allow_other = true;
    LiveMount mount(tree, clock_, options);
    ASSERT_TRUE(mount.ok());
    std::string path = mount / "f";
    for (int how = 0; how < 4; ++how) {
        write_file(path, "x");
        ASSERT_EQ(chmod(path.c_str(), 06777), 0);
        EXPECT_EQ(as_user(1000,
                          [&] {
                              int flags = how == 1 ? O_WRONLY | O_TRUNC : O_WRONLY;
                              int file = open(path.c_str(), flags);
                              if (file < 0) return 1;
                              if (how == 0 && write(file, "y", 1) != 1) return 2;
                              if (how == 2 && ftruncate(file, 0) != 0) return 3;
                              if (how == 3 && fallocate(file, 0, 0, 10) != 0) return 4;
                              return close(file) == 0 ? 0 : 5;
                          }),
                  0);
        struct stat status {};
        ASSERT_EQ(stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777u, 0777u) << "way " << how;
    }
}

TEST_F(SessionTest, WithoutKernelChecksAccessIsAnsweredByModeBits) {
    FakeTree tree;
    MountOptions options;
    options.allow_other = true;
    options.default_permissions = false;
    LiveMount mount(tree, clock_, options);
    ASSERT_TRUE(mount.ok());
    std::string path = mount / "f";
    write_file(path, "x");
    ASSERT_EQ(chown(path.c_str(), 1000, 2000), 0);
    ASSERT_EQ(chmod(path.c_str(), 0640), 0);
    EXPECT_EQ(access(path.c_str(), R_OK | W_OK), 0);
    EXPECT_EQ(access(path.c_str(), X_OK), -1);
    EXPECT_EQ(as_user(1000, [&] { return access(path.c_str(), R_OK | W_OK) == 0 ? 0 : 1; }), 0);
    EXPECT_EQ(as_user(1000, [&] { return access(path.c_str(), X_OK) == 0 ? 0 : 1; }), 1);
    EXPECT_EQ(as_user(2000, [&] { return access(path.c_str(), R_OK) == 0 ? 0 : 1; }), 0);
    EXPECT_EQ(as_user(2000, [&] { return access(path.c_str(), W_OK) == 0 ? 0 : 1; }), 1);
    EXPECT_EQ(as_user(3000, [&] { return access(path.c_str(), R_OK) == 0 ? 0 : 1; }), 1);
}

TEST_F(SessionTest, SharedMappingsReadAndWrite) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    std::string path = mount / "f";
    write_file(path, std::string(10'000, 'a'));
    Fd file(open(path.c_str(), O_RDWR));
    void* mapped = mmap(nullptr, 10'000, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    std::memcpy(static_cast<char*>(mapped) + 5000, "mapped", 6);
    ASSERT_EQ(msync(mapped, 10'000, MS_SYNC), 0);
    munmap(mapped, 10'000);
    EXPECT_EQ(read_file(path).substr(5000, 7), "mappeda");
}

TEST_F(SessionTest, AListingOfManyEntriesCanBeRewoundAndSought) {
    FakeTree tree;
    for (int i = 0; i < 3000; ++i) {
        auto made = tree.make_directory({}, kRootNode, "entry" + std::to_string(i), 0755);
        ASSERT_TRUE(made.ok());
    }
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    DIR* directory = opendir(mount.path().c_str());
    ASSERT_TRUE(directory);
    for (int round = 0; round < 2; ++round) {
        std::set<std::string> names;
        while (const dirent* entry = readdir(directory)) names.insert(entry->d_name);
        EXPECT_EQ(names.size(), 3002u);
        rewinddir(directory);
    }
    for (int i = 0; i < 100; ++i) readdir(directory);
    long position = telldir(directory);
    std::string expected = readdir(directory)->d_name;
    while (readdir(directory)) {
    }
    seekdir(directory, position);
    EXPECT_EQ(readdir(directory)->d_name, expected);
    closedir(directory);
}

TEST_F(SessionTest, NamesAreAskedForOnceUntilAnotherDoorChangesThem) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "old");
    NodeId node = tree.node_at("f");
    struct stat status {};
    ASSERT_EQ(stat((mount / "f").c_str(), &status), 0);
    int before = tree.lookups;
    for (int i = 0; i < 10; ++i) ASSERT_EQ(stat((mount / "f").c_str(), &status), 0);
    EXPECT_EQ(tree.lookups, before);
    EXPECT_EQ(read_file(mount / "f"), "old");

    tree.overwrite(node, "newer");
    core::ChangeListener* listener = tree.listener;
    listener->content_changed(node);
    mount.session().invalidator().flush();
    EXPECT_EQ(read_file(mount / "f"), "newer");

    tree.move_entry("f", "g");
    listener->entry_changed(kRootNode, "f");
    listener->entry_changed(kRootNode, "g");
    mount.session().invalidator().flush();
    EXPECT_EQ(stat((mount / "f").c_str(), &status), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(read_file(mount / "g"), "newer");
}

TEST_F(SessionTest, ANameIsNotCachedBeyondItsExpiry) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "x");
    tree.set_expiry("f", clock_.now());
    tree.listener.load()->entry_changed(kRootNode, "f");
    mount.session().invalidator().flush();
    struct stat status {};
    ASSERT_EQ(stat((mount / "f").c_str(), &status), 0);
    int before = tree.lookups;
    ASSERT_EQ(stat((mount / "f").c_str(), &status), 0);
    EXPECT_GT(tree.lookups, before);
}

TEST_F(SessionTest, FailuresAreEioAndTheMountLivesOn) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "bytes");
    ASSERT_EQ(symlink("f", (mount / "l").c_str()), 0);
    tree.throw_on_read_link = true;
    char target[16];
    EXPECT_EQ(readlink((mount / "l").c_str(), target, sizeof target), -1);
    EXPECT_EQ(errno, EIO);
    tree.throw_on_read_link = false;
    EXPECT_EQ(readlink((mount / "l").c_str(), target, sizeof target), 1);
    tree.fail_reads = true;
    Fd file(open((mount / "f").c_str(), O_RDONLY));
    EXPECT_EQ(read(file.get(), target, 5), -1);
    EXPECT_EQ(errno, EIO);
    tree.fail_reads = false;
    EXPECT_EQ(read(file.get(), target, 5), 5);
}

TEST_F(SessionTest, OpenUnlinkedFilesStayReadable) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "kept");
    Fd file(open((mount / "f").c_str(), O_RDWR));
    ASSERT_EQ(unlink((mount / "f").c_str()), 0);
    char bytes[4];
    EXPECT_EQ(pread(file.get(), bytes, 4, 0), 4);
    EXPECT_EQ(ftruncate(file.get(), 2), 0);
    struct stat status {};
    ASSERT_EQ(fstat(file.get(), &status), 0);
    EXPECT_EQ(status.st_size, 2);
    EXPECT_EQ(status.st_nlink, 0u);
}

TEST_F(SessionTest, TheKernelForgetsWhatItWasToldAsOftenAsItWasTold) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    std::vector<std::string> names{"f", "new", "link", "symlink", "fifo", "d/g"};
    ASSERT_EQ(mkdir((mount / "d").c_str(), 0755), 0);
    for (const char* name : {"f", "d/g", "new"}) write_file(mount / name, "some");
    ASSERT_EQ(rename((mount / "new").c_str(), (mount / "f").c_str()), 0);
    write_file(mount / "new", "more");
    ASSERT_EQ(link((mount / "f").c_str(), (mount / "link").c_str()), 0);
    ASSERT_EQ(symlink("f", (mount / "symlink").c_str()), 0);
    ASSERT_EQ(mkfifo((mount / "fifo").c_str(), 0644), 0);
    EXPECT_FALSE(Fd(open((mount / "f").c_str(), O_CREAT | O_EXCL | O_WRONLY, 0644)));
    EXPECT_EQ(read_file(mount / "absent"), "errno " + std::to_string(ENOENT));
    for (int i = 0; i < 500; ++i) {  // more than one answer to READDIRPLUS has room for
        names.push_back("f" + std::to_string(i));
        ASSERT_TRUE(tree.make_node({}, kRootNode, names.back(), {NodeType::kFile, 0644, 0}).ok());
    }
    for (int round = 0; round < 3; ++round) {
        std::set<std::string> listed;
        std::unique_ptr<DIR, int (*)(DIR*)> all(opendir(mount.path().c_str()), closedir);
        struct stat found {};
        while (const dirent* entry = readdir(all.get()))
            if (lstat((mount / entry->d_name).c_str(), &found) == 0) listed.insert(entry->d_name);
        EXPECT_EQ(listed.size(), 508u);
    }
    EXPECT_GT(tree.known().size(), 500u);
    for (const std::string& name : names) EXPECT_EQ(unlink((mount / name).c_str()), 0) << name;
    EXPECT_EQ(rmdir((mount / "d").c_str()), 0);
    for (const auto& [node, times] : tree.known_in_the_end())
        ADD_FAILURE() << "node " << node.value() << " is known " << times << " times";
}

TEST_F(SessionTest, WithTheMountAllIsForgotten) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    write_file(mount / "f", "some");
    EXPECT_EQ(tree.known(), (std::map<NodeId, std::int64_t>{{tree.node_at("f"), 1}}));
    mount.stop();
    EXPECT_TRUE(tree.known().empty());
}

TEST_F(SessionTest, ManyThreadsAtOnce) {
    FakeTree tree;
    LiveMount mount(tree, clock_);
    ASSERT_TRUE(mount.ok());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                std::string path = mount / (std::to_string(t) + "-" + std::to_string(i));
                write_file(path, path);
                EXPECT_EQ(read_file(path), path);
                if (i % 2) {
                    EXPECT_EQ(unlink(path.c_str()), 0);
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(mount.session().unmount(false).ok());
    EXPECT_TRUE(mount.join());
    mount.stop();  // a RELEASE may still have been under way; what it left goes back here
    EXPECT_EQ(tree.open_files, 0);
}

}  // namespace
}  // namespace reelfs::fuse
