// The whole below the kernel: a store on disk, opened, mounted, used by system calls. Needs
// /dev/fuse and root. What is written here is written to a real disk through every layer.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "fuse/files.h"
#include "fuse/live_mount.h"
#include "reelfs/base/disk.h"
#include "reelfs/base/fd.h"
#include "reelfs/core/volume.h"
#include "reelfs/crypto/random.h"
#include "support/temp_dir.h"

namespace reelfs::fuse {
namespace {

using test::as_user;
using test::LiveMount;
using test::read_file;
using test::write_file;

std::string pattern(std::size_t size, unsigned seed) {
    std::string text(size, '\0');
    std::uint32_t state = seed * 2654435761u + 1;
    for (char& c : text) {
        state = state * 1664525u + 1013904223u;
        c = static_cast<char>(state >> 24);
    }
    return text;
}

class MountTest : public ::testing::Test {
  protected:
    void SetUp() override {
        crypto::initialize();
        core::CreateOptions creation;
        creation.directory = directory_ / "store";
        creation.unlock = key();
        auto created = core::create_store(environment_, creation);
        ASSERT_TRUE(created.ok()) << created.error().message();
        open_and_mount();
        ASSERT_EQ(mkdir((*mount_ / "media").c_str(), 0777), 0) << strerror(errno);
        ASSERT_EQ(chmod((*mount_ / "media").c_str(), 0777), 0);
    }
    void TearDown() override { unmount_and_close(); }

    void open_and_mount() {
        core::OpenOptions opening;
        opening.directory = directory_ / "store";
        opening.unlock = key();
        auto volume = core::open_store(environment_, opening);
        ASSERT_TRUE(volume.ok()) << volume.error().message();
        volume_ = *std::move(volume);
        MountOptions options;
        options.allow_other = true;
        mount_ = std::make_unique<LiveMount>(volume_->tree(), clock_, options);
        ASSERT_TRUE(mount_->ok());
    }
    void unmount_and_close() {
        mount_.reset();
        if (!volume_) return;
        auto closed = volume_->close();
        EXPECT_TRUE(closed.ok()) << closed.error().message();
        volume_.reset();
    }
    static crypto::Unlock key() {
        return crypto::KeyFile{std::vector<std::byte>(64, std::byte{7})};
    }
    /// A path inside the container.
    std::string operator[](const std::string& name) const { return *mount_ / ("media/" + name); }

    reelfs::test::TempDir directory_;
    PosixDisk disk_;
    crypto::SystemRandom random_;
    SystemClock clock_;
    core::Environment environment_{disk_, random_, clock_};
    std::unique_ptr<core::Volume> volume_;
    std::unique_ptr<LiveMount> mount_;
};

TEST_F(MountTest, WhatWasWrittenIsThereAfterARemount) {
    std::string large = pattern(5'000'000, 1);
    write_file((*this)["large"], large);
    write_file((*this)["small"], "small");
    ASSERT_EQ(mkdir((*this)["d"].c_str(), 0750), 0);
    ASSERT_EQ(symlink("../small", (*this)["d/l"].c_str()), 0);
    ASSERT_EQ(link((*this)["small"].c_str(), (*this)["d/h"].c_str()), 0);
    ASSERT_EQ(setxattr((*this)["small"].c_str(), "user.note", "kept", 4, 0), 0);
    struct stat before {};
    ASSERT_EQ(stat((*this)["small"].c_str(), &before), 0);
    unmount_and_close();
    open_and_mount();
    EXPECT_TRUE(read_file((*this)["large"]) == large);
    EXPECT_EQ(read_file((*this)["d/l"]), "small");
    char note[8] = {};
    EXPECT_EQ(getxattr((*this)["d/h"].c_str(), "user.note", note, sizeof note), 4);
    EXPECT_STREQ(note, "kept");
    struct stat after {};
    ASSERT_EQ(stat((*this)["d/h"].c_str(), &after), 0);
    EXPECT_EQ(after.st_ino, before.st_ino);
    EXPECT_EQ(after.st_nlink, 2u);
    EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

TEST_F(MountTest, TheRootHoldsContainersOnly) {
    EXPECT_EQ(open((*mount_ / "file").c_str(), O_CREAT | O_WRONLY, 0644), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(mkdir((*mount_ / "not a name").c_str(), 0755), -1);
    EXPECT_EQ(errno, EINVAL);
    ASSERT_EQ(mkdir((*mount_ / "other").c_str(), 0755), 0);
    write_file((*this)["f"], "x");
    EXPECT_EQ(rename((*this)["f"].c_str(), (*mount_ / "other/f").c_str()), -1);
    EXPECT_EQ(errno, EXDEV);
    EXPECT_EQ(rmdir((*mount_ / "media").c_str()), -1);
    EXPECT_EQ(errno, ENOTEMPTY);
    EXPECT_EQ(rmdir((*mount_ / "other").c_str()), 0);
}

TEST_F(MountTest, RenameReplacesRefusesAndExchanges) {
    write_file((*this)["a"], "A");
    write_file((*this)["b"], "B");
    auto rename2 = [&](unsigned flags) {
        return renameat2(AT_FDCWD, (*this)["a"].c_str(), AT_FDCWD, (*this)["b"].c_str(), flags);
    };
    EXPECT_EQ(rename2(RENAME_NOREPLACE), -1);
    EXPECT_EQ(errno, EEXIST);
    ASSERT_EQ(rename2(RENAME_EXCHANGE), 0);
    EXPECT_EQ(read_file((*this)["a"]), "B");
    EXPECT_EQ(read_file((*this)["b"]), "A");
    Fd replaced(open((*this)["b"].c_str(), O_RDONLY));
    ASSERT_EQ(rename2(0), 0);
    EXPECT_EQ(read_file((*this)["b"]), "B");
    char byte = 0;
    EXPECT_EQ(pread(replaced.get(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'A') << "an open handle keeps reading what it opened";
    ASSERT_EQ(mkdir((*this)["d"].c_str(), 0755), 0);
    EXPECT_EQ(rename((*this)["d"].c_str(), (*this)["d/e"].c_str()), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(MountTest, OpenUnlinkedFilesLiveUntilTheyAreClosed) {
    write_file((*this)["f"], "kept");
    Fd file(open((*this)["f"].c_str(), O_RDWR));
    ASSERT_EQ(unlink((*this)["f"].c_str()), 0);
    EXPECT_EQ(pwrite(file.get(), "more", 4, 4), 4);
    ASSERT_EQ(fchmod(file.get(), 0600), 0);
    char bytes[8];
    EXPECT_EQ(pread(file.get(), bytes, 8, 0), 8);
    EXPECT_EQ(std::string(bytes, 8), "keptmore");
    ASSERT_EQ(ftruncate(file.get(), 2), 0);
    EXPECT_EQ(fsync(file.get()), 0);
    struct stat status {};
    ASSERT_EQ(fstat(file.get(), &status), 0);
    EXPECT_EQ(status.st_nlink, 0u);
    EXPECT_EQ(status.st_size, 2);
}

TEST_F(MountTest, AppendTruncateAndOverwrite) {
    std::string expected = pattern(100'000, 2);
    write_file((*this)["f"], expected);
    Fd file(open((*this)["f"].c_str(), O_RDWR | O_APPEND));
    for (int i = 0; i < 50; ++i) {
        std::string piece = pattern(777, 3);
        ASSERT_EQ(write(file.get(), piece.data(), piece.size()), 777);
        expected += piece;
    }
    EXPECT_TRUE(read_file((*this)["f"]) == expected);
    Fd inside(open((*this)["f"].c_str(), O_WRONLY));
    ASSERT_EQ(pwrite(inside.get(), "over", 4, 65'534), 4);
    expected.replace(65'534, 4, "over");
    ASSERT_EQ(ftruncate(inside.get(), 90'000), 0);
    expected.resize(90'000);
    ASSERT_EQ(ftruncate(inside.get(), 95'000), 0);
    expected.resize(95'000);
    EXPECT_EQ(fdatasync(inside.get()), 0);
    EXPECT_TRUE(read_file((*this)["f"]) == expected);
    Fd emptied(open((*this)["f"].c_str(), O_WRONLY | O_TRUNC));
    EXPECT_EQ(read_file((*this)["f"]), "");
}

TEST_F(MountTest, SyncWritesAndAppendsGoThrough) {
    Fd file(open((*this)["log"].c_str(), O_CREAT | O_WRONLY | O_APPEND | O_DSYNC, 0644));
    std::string expected;
    for (int i = 0; i < 40; ++i) {
        std::string line = "line " + std::to_string(i) + "\n";
        ASSERT_EQ(write(file.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
        expected += line;
    }
    EXPECT_EQ(read_file((*this)["log"]), expected);
}

TEST_F(MountTest, SharedMappingsWriteWhatReadersSee) {
    std::string expected = pattern(200'000, 4);
    write_file((*this)["f"], expected);
    Fd file(open((*this)["f"].c_str(), O_RDWR));
    void* mapped =
        mmap(nullptr, expected.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    EXPECT_EQ(std::memcmp(mapped, expected.data(), expected.size()), 0);
    std::memcpy(static_cast<char*>(mapped) + 99'999, "mapped", 6);
    expected.replace(99'999, 6, "mapped");
    ASSERT_EQ(msync(mapped, expected.size(), MS_SYNC), 0);
    munmap(mapped, expected.size());
    file.reset();
    unmount_and_close();
    open_and_mount();
    EXPECT_TRUE(read_file((*this)["f"]) == expected);
}

TEST_F(MountTest, HolesArePunchedFoundAndRead) {
    constexpr std::size_t kSize = 4 << 20;
    std::string expected = pattern(kSize, 5);
    write_file((*this)["f"], expected);
    Fd file(open((*this)["f"].c_str(), O_RDWR));
    ASSERT_EQ(fsync(file.get()), 0);
    ASSERT_EQ(fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20),
              0)
        << strerror(errno);
    expected.replace(1 << 20, 1 << 20, std::string(1 << 20, '\0'));
    EXPECT_TRUE(read_file((*this)["f"]) == expected);
    EXPECT_EQ(lseek(file.get(), 0, SEEK_HOLE), 1 << 20);
    EXPECT_EQ(lseek(file.get(), 1 << 20, SEEK_DATA), 2 << 20);
    EXPECT_EQ(lseek(file.get(), 2 << 20, SEEK_HOLE), static_cast<off_t>(kSize));
    EXPECT_EQ(lseek(file.get(), kSize, SEEK_DATA), -1);
    EXPECT_EQ(errno, ENXIO);
    ASSERT_EQ(fallocate(file.get(), FALLOC_FL_ZERO_RANGE, 10, 100), 0);
    expected.replace(10, 100, std::string(100, '\0'));
    ASSERT_EQ(fallocate(file.get(), 0, kSize, 1000), 0);
    expected.resize(kSize + 1000);
    EXPECT_TRUE(read_file((*this)["f"]) == expected);
    ASSERT_EQ(fallocate(file.get(), FALLOC_FL_KEEP_SIZE, kSize + 1000, 4096), 0);
    EXPECT_EQ(read_file((*this)["f"]).size(), kSize + 1000);
}

TEST_F(MountTest, CopyFileRangeCopies) {
    std::string expected = pattern(3'000'000, 6);
    write_file((*this)["source"], expected);
    Fd source(open((*this)["source"].c_str(), O_RDONLY));
    Fd target(open((*this)["target"].c_str(), O_CREAT | O_WRONLY, 0644));
    std::size_t copied = 0;
    while (copied < expected.size()) {
        ssize_t got = copy_file_range(source.get(), nullptr, target.get(), nullptr, 8 << 20, 0);
        ASSERT_GT(got, 0) << strerror(errno);
        copied += static_cast<std::size_t>(got);
    }
    EXPECT_TRUE(read_file((*this)["target"]) == expected);
    ASSERT_EQ(unlink((*this)["source"].c_str()), 0);
    source.reset();
    target.reset();
    unmount_and_close();
    open_and_mount();
    EXPECT_TRUE(read_file((*this)["target"]) == expected);
}

TEST_F(MountTest, TenThousandEntriesAreListedOnceEach) {
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_EQ(mknod((*this)["entry" + std::to_string(i)].c_str(), S_IFREG | 0644, 0), 0);
    }
    DIR* directory = opendir((*mount_ / "media").c_str());
    ASSERT_TRUE(directory);
    for (int round = 0; round < 2; ++round) {
        std::set<std::string> names;
        std::size_t entries = 0;
        while (const dirent* entry = readdir(directory)) {
            names.insert(entry->d_name);
            ++entries;
        }
        EXPECT_EQ(entries, 10'002u);
        EXPECT_EQ(names.size(), 10'002u);
        rewinddir(directory);
    }
    for (int i = 0; i < 5000; ++i) ASSERT_TRUE(readdir(directory));
    long position = telldir(directory);
    std::string expected = readdir(directory)->d_name;
    // Removing what was listed already moves nothing that comes after.
    ASSERT_EQ(unlink((*this)["entry1"].c_str()), 0);
    while (readdir(directory)) {
    }
    seekdir(directory, position);
    EXPECT_EQ(readdir(directory)->d_name, expected);
    closedir(directory);
}

TEST_F(MountTest, XattrsOfTheStoreAreReadAndGuarded) {
    write_file((*this)["f"], "content");
    std::string path = (*this)["f"];
    ASSERT_EQ(setxattr(path.c_str(), "user.mime_type", "video/mp4", 9, 0), 0) << strerror(errno);
    EXPECT_EQ(setxattr(path.c_str(), "user.reelfs.etag", "x", 1, 0), -1);
    char value[128];
    EXPECT_EQ(getxattr(path.c_str(), "user.mime_type", value, sizeof value), 9);
    EXPECT_EQ(getxattr(path.c_str(), "security.capability", value, sizeof value), -1);
    EXPECT_EQ(errno, ENODATA);
    EXPECT_EQ(getxattr(path.c_str(), "security.selinux", value, sizeof value), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    ASSERT_EQ(removexattr(path.c_str(), "user.mime_type"), 0);
    EXPECT_EQ(getxattr(path.c_str(), "user.mime_type", value, sizeof value), -1);
    EXPECT_EQ(errno, ENODATA);
}

TEST_F(MountTest, OrdinaryUsersAreHeldToTheModeBits) {
    write_file((*this)["f"], "x");
    ASSERT_EQ(chmod((*this)["f"].c_str(), 0600), 0);
    EXPECT_EQ(as_user(1000, [&] { return open((*this)["f"].c_str(), O_RDONLY) < 0 ? errno : 0; }),
              EACCES);
    EXPECT_EQ(as_user(1000,
                      [&] {
                          return open((*this)["mine"].c_str(), O_CREAT | O_WRONLY, 0644) < 0 ? errno
                                                                                             : 0;
                      }),
              0);
    struct stat status {};
    ASSERT_EQ(stat((*this)["mine"].c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 1000u);
}

TEST_F(MountTest, AWriteByAnOrdinaryUserTakesSuidAway) {
    write_file((*this)["source"], "source");
    for (int how = 0; how < 6; ++how) {
        std::string path = (*this)["f" + std::to_string(how)];
        write_file(path, "x");
        if (how == 4) {
            ASSERT_EQ(chown(path.c_str(), 1000, 1000), 0);
        }
        ASSERT_EQ(chmod(path.c_str(), 06777), 0);
        EXPECT_EQ(as_user(1000,
                          [&] {
                              int file =
                                  open(path.c_str(), how == 1 ? O_WRONLY | O_TRUNC : O_WRONLY);
                              if (file < 0) return 1;
                              if (how == 0 && write(file, "y", 1) != 1) return 2;
                              if (how == 2 && ftruncate(file, 0) != 0) return 3;
                              if (how == 3 && fallocate(file, 0, 0, 10) != 0) return 4;
                              if (how == 4 && fchown(file, 1000, 1000) != 0) return 5;
                              if (how == 5) {
                                  int source = open((*this)["source"].c_str(), O_RDONLY);
                                  if (copy_file_range(source, nullptr, file, nullptr, 6, 0) != 6)
                                      return 6;
                              }
                              return close(file) == 0 ? 0 : 7;
                          }),
                  0);
        struct stat status {};
        ASSERT_EQ(stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777u, 0777u) << "way " << how;
    }
}

TEST_F(MountTest, StatfsTellsTheRoomOfTheDisk) {
    struct statvfs ours {};
    struct statvfs disk {};
    ASSERT_EQ(statvfs((*mount_ / "media").c_str(), &ours), 0);
    ASSERT_EQ(statvfs(directory_.path().c_str(), &disk), 0);
    EXPECT_EQ(ours.f_namemax, 255u);
    EXPECT_GT(ours.f_bavail, 0u);
    EXPECT_LE(ours.f_bavail * ours.f_frsize, disk.f_blocks * disk.f_frsize);
}

TEST_F(MountTest, OneContainerCanBeTheMount) {
    write_file((*this)["f"], "inside");
    auto container = volume_->tree().container("media");
    ASSERT_TRUE(container.ok());
    mount_.reset();  // a tree has one mount at a time: it tells one listener of changes
    MountOptions options;
    options.root = container->root;
    LiveMount media(volume_->tree(), clock_, options);
    ASSERT_TRUE(media.ok());
    EXPECT_EQ(read_file(media / "f"), "inside");
    write_file(media / "g", "through the container");
    struct stat status {};
    ASSERT_EQ(stat((media / "..").c_str(), &status), 0);
    ASSERT_EQ(stat(media.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_ino, 1u);
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(media.path())) {
        names.insert(entry.path().filename());
    }
    EXPECT_EQ(names, (std::set<std::string>{"f", "g"}));
}

}  // namespace
}  // namespace reelfs::fuse
