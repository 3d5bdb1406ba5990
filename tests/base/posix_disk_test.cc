// Reads and writes past the page cache: the same bytes, and nothing left in it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <iostream>
#include <sstream>
#include <utility>

#include "reelfs/base/disk.h"
#include "support/seeded_random.h"
#include "support/temp_dir.h"

namespace reelfs {
namespace {

class PosixFileTest : public ::testing::Test {
  protected:
    PosixFileTest() : bytes_(300'007) {
        random_.fill(bytes_);
        file_ = disk_.open(path_, OpenMode::kCreateNew).value();
        EXPECT_TRUE(file_->write_at(0, bytes_).ok());
        EXPECT_TRUE(file_->sync().ok());
        file_->drop_cache();
    }
    using ReadCall = Result<std::size_t> (File::*)(std::uint64_t, MutableBytes) const;
    std::vector<std::byte> read(ReadCall call, std::uint64_t offset, std::size_t length) const {
        std::vector<std::byte> found(length);
        auto count = ((*file_).*call)(offset, found);
        EXPECT_TRUE(count.ok());
        found.resize(count ? *count : 0);
        return found;
    }
    std::vector<std::byte> once(std::uint64_t offset, std::size_t length) const {
        return read(&File::read_once_at, offset, length);
    }
    /// Beside writes; some reads are as long as `longest`.
    void expect_same_bytes(ReadCall call, std::size_t longest) {
        for (int i = 0; i < 300; ++i) {
            const std::uint64_t offset = random_.below(bytes_.size() + 5'000);
            const std::size_t length = 1 + random_.below(i % 10 == 0 ? longest : 20'000);
            ASSERT_EQ(read(call, offset, length), expected(offset, length))
                << offset << "+" << length;
            // Newer bytes, which only the page cache has, beside older ones that it has not.
            const std::size_t at = random_.below(bytes_.size() - 100);
            random_.fill(MutableBytes(bytes_).subspan(at, 100));
            ASSERT_TRUE(file_->write_at(at, Bytes(bytes_).subspan(at, 100)).ok());
            const std::uint64_t around = at < 6'000 ? 0 : at - 6'000;
            ASSERT_EQ(read(call, around, 12'000), expected(around, 12'000)) << around;
            if (i % 7 == 0) {
                ASSERT_TRUE(file_->sync().ok());
                file_->drop_cache();
            }
        }
    }
    std::vector<std::byte> expected(std::uint64_t offset, std::size_t length) const {
        const std::size_t from = std::min<std::size_t>(offset, bytes_.size());
        const Bytes there = Bytes(bytes_).subspan(from);
        return copy_of(there.first(std::min(length, there.size())));
    }
    /// Of the file's pages, how many the page cache holds.
    std::size_t cached_pages() const { return cached_pages(path_); }
    std::size_t cached_pages(const std::string& path) const {
        const std::size_t pages = (bytes_.size() + 4095) / 4096;
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        void* const map = ::mmap(nullptr, bytes_.size(), PROT_READ, MAP_SHARED, fd, 0);
        std::vector<unsigned char> there(pages);
        EXPECT_EQ(::mincore(map, bytes_.size(), there.data()), 0);
        ::munmap(map, bytes_.size());
        ::close(fd);
        std::size_t count = 0;
        for (const unsigned char page : there) count += page & 1;
        return count;
    }
    void expect_file_is(const std::vector<std::byte>& bytes) {
        std::vector<std::byte> found(bytes.size());
        EXPECT_EQ(*file_->read_at(0, found), bytes.size());
        EXPECT_EQ(found, bytes);
    }
    /// Whether nothing is left of a write that the system was told to drop, tried on a file of its
    /// own; before Linux 6.16 it must not be told.
    bool system_drops_written_pages() {
        utsname system{};
        ::uname(&system);
        int major = 0, minor = 0;
        std::istringstream release(system.release);
        release >> major;
        release.ignore(1);
        release >> minor;
        if (std::pair(major, minor) < std::pair(6, 16)) return false;
        const int fd = ::open((path_ + ".tried").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        iovec all{bytes_.data(), bytes_.size()};
        constexpr int kDontCache = 0x80;
        const bool wrote = ::pwritev2(fd, &all, 1, 0, kDontCache) == ssize_t(bytes_.size());
        ::fdatasync(fd);
        const bool dropped = wrote && cached_pages(path_ + ".tried") == 0;
        ::close(fd);
        return dropped;
    }
    bool can_go_past() const {
        const int fd = ::open(path_.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
        if (fd >= 0) ::close(fd);
        return fd >= 0;
    }
    bool tells_what_is_cached() const {
        const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        std::uint64_t range[2] = {0, 1}, counts[5] = {};
        const bool tells = ::syscall(451, fd, range, counts, 0) == 0;  // cachestat(2)
        ::close(fd);
        return tells;
    }

    test::SeededRandom random_;
    test::TempDir dir_;
    const std::string path_ = dir_.path() + "/f";
    PosixDisk disk_;
    std::vector<std::byte> bytes_;
    std::unique_ptr<File> file_;
};

TEST_F(PosixFileTest, WhatIsReadOnceIsTheSameWhereverItBeginsAndEnds) {
    expect_same_bytes(&File::read_once_at, 100'000);
}

TEST_F(PosixFileTest, WhatIsReadOnceTakesNoRoomInThePageCache) {
    const bool in_memory_only = cached_pages() > 0;  // tmpfs: there is no device to read from
    EXPECT_EQ(once(100'000, 8'192), expected(100'000, 8'192));
    EXPECT_EQ(cached_pages() == 0, can_go_past() && tells_what_is_cached() && !in_memory_only);
    std::vector<std::byte> found(8'192);
    ASSERT_TRUE(file_->read_at(100'000, found).ok());
    EXPECT_GE(cached_pages(), 3u);
}

TEST_F(PosixFileTest, WhatTheDeviceHoldsIsTheSameWhereverItBeginsAndEnds) {
    expect_same_bytes(&File::read_device_at, 2'000'000);
}

TEST_F(PosixFileTest, WhatIsReadFromTheDeviceTakesNoRoomInThePageCache) {
    const bool in_memory_only = cached_pages() > 0;  // tmpfs: there is no device to read from
    std::vector<std::byte> found(bytes_.size());
    EXPECT_EQ(file_->read_device_at(0, found).value(), bytes_.size());
    EXPECT_EQ(found, bytes_);
    EXPECT_EQ(cached_pages() == 0, can_go_past() && !in_memory_only);
}

TEST_F(PosixFileTest, WhatIsWrittenInBulkIsTheSameBesideWhatIsNot) {
    for (int i = 0; i < 300; ++i) {
        const std::size_t at = random_.below(bytes_.size() - 10'000);
        const MutableBytes part = MutableBytes(bytes_).subspan(at, 1 + random_.below(10'000));
        random_.fill(part);
        const Bytes pieces[] = {Bytes(part).first(part.size() / 2),
                                Bytes(part).subspan(part.size() / 2)};
        const bool bulk = random_.below(2) == 0;
        ASSERT_TRUE((bulk ? file_->write_bulk_at(at, pieces) : file_->write_at(at, pieces)).ok());
        if (i % 7 == 0) expect_file_is(bytes_);
        if (i % 11 == 0) {
            ASSERT_TRUE(file_->sync().ok());
            file_->drop_cache();  // now it comes from the device
            expect_file_is(bytes_);
        }
    }
}

TEST_F(PosixFileTest, WhatIsAppendedInBulkTakesNoRoomInThePageCache) {
    const std::string path = path_ + ".bulk";
    file_ = disk_.open(path, OpenMode::kCreateNew).value();
    const Bytes all(bytes_);
    ASSERT_TRUE(file_->write_bulk_at(0, std::span(&all, 1)).ok());
    ASSERT_TRUE(file_->sync().ok());
    const bool drops = system_drops_written_pages();
    if (!drops) std::cout << "the system keeps written pages: so does the file\n";
    EXPECT_EQ(cached_pages(path) == 0, drops);
    expect_file_is(bytes_);
    ASSERT_TRUE(file_->write_at(0, std::span(&all, 1)).ok());
    ASSERT_TRUE(file_->sync().ok());
    EXPECT_GT(cached_pages(path), 0u);
}

}  // namespace
}  // namespace reelfs
