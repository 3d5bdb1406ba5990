// Disk on the machine's file system. EINTR is retried because the call did nothing; no other error
// is.
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "reelfs/base/disk.h"
#include "reelfs/base/fd.h"

namespace reelfs {

namespace {

/// Nothing of these bytes is in the page cache: known since Linux 6.5, and asking reads nothing
/// ahead, as a read with RWF_NOWAIT would.
bool is_uncached(const Fd& file, std::uint64_t offset, std::uint64_t length) {
    constexpr long kCachestat = 451;  // on every architecture; Debian 12's headers are older
    struct Range {
        std::uint64_t offset, length;
    } range{offset, length};
    struct Counts {
        std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } counts{};
    static std::atomic<bool> known = true;
    if (!known.load(std::memory_order_relaxed)) return false;
    if (::syscall(kCachestat, file.get(), &range, &counts, 0) == 0) return counts.cached == 0;
    if (errno == ENOSYS) known = false;
    return false;
}

/// RWF_DONTCACHE of pwritev2(2), which Debian 12's headers do not have: written back at once, and
/// the pages dropped when that is done. Linux has it since 6.14; asked for from 6.16 on, which, by
/// the kernel's history, looks again whether a page has become dirty before it drops it.
constexpr int kDontCache = 0x80;

bool kernel_drops_written_pages() {
    utsname system{};
    if (::uname(&system) != 0) return false;
    std::string_view release = system.release;  // "6.18.44-1"
    std::array<int, 2> version{};
    for (int& number : version) {
        const auto [end, error] =
            std::from_chars(release.data(), release.data() + release.size(), number);
        if (error != std::errc()) return false;
        release.remove_prefix(static_cast<std::size_t>(end - release.data()));
        if (release.starts_with('.')) release.remove_prefix(1);
    }
    return version >= std::array{6, 16};
}

/// A file once more, for reads past the page cache. Opened at the first of them: most files never
/// have one.
class DirectFile {
  public:
    DirectFile() = default;
    DirectFile(const DirectFile&) = delete;
    DirectFile& operator=(const DirectFile&) = delete;
    ~DirectFile() {
        if (const int fd = fd_.load(); fd >= 0) ::close(fd);
    }

    struct Free {
        void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
    };
    using Bounce = std::unique_ptr<std::byte[], Free>;
    /// For reads of so many bytes.
    static Bounce make_bounce(std::size_t bytes) {
        return Bounce(static_cast<std::byte*>(::operator new(bytes + 2 * kStep, kAlignment)));
    }

    /// Whole and from the device; false when that cannot be had here, or ends early.
    Result<bool> read_at(const Fd& file, const std::string& path, std::uint64_t offset,
                         MutableBytes out, const Bounce& bounce) {
        const int fd = cannot_.load() ? kCannot : descriptor(file);
        if (fd < 0) return false;
        const std::uint64_t begin = offset / kStep * kStep;
        const std::uint64_t end = (offset + out.size() + kStep - 1) / kStep * kStep;
        ssize_t n = 0;
        do {
            n = ::pread(fd, bounce.get(), end - begin, static_cast<off_t>(begin));
        } while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EINVAL) {  // a device that wants other steps
            cannot_ = true;
            return false;
        }
        if (n < 0) return Error::from_errno(errno, "read " + path);
        const std::size_t before = offset - begin;
        if (static_cast<std::size_t>(n) < before + out.size()) return false;
        std::memcpy(out.data(), bounce.get() + before, out.size());
        return true;
    }

  private:
    static constexpr std::uint64_t kStep = 4096;  // as every device can
    static constexpr std::align_val_t kAlignment{kStep};
    static constexpr int kUntried = -1, kCannot = -2;

    int descriptor(const Fd& file) {
        int known = fd_.load();
        if (known != kUntried) return known;
        const std::string path = "/proc/self/fd/" + std::to_string(file.get());
        int opened = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
        if (opened < 0) opened = errno == EMFILE || errno == ENFILE ? kUntried : kCannot;
        if (fd_.compare_exchange_strong(known, opened)) return opened;
        if (opened >= 0) ::close(opened);  // another thread was first
        return known;
    }

    std::atomic<int> fd_ = kUntried;
    std::atomic<bool> cannot_ = false;
};

class PosixFile final : public File {
  public:
    PosixFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Result<std::size_t> read_once_at(std::uint64_t offset, MutableBytes out) const override {
        constexpr std::size_t kLittle = 64 * 1024;
        if (out.size() > kLittle || !is_uncached(fd_, offset, out.size()))
            return read_at(offset, out);
        thread_local const DirectFile::Bounce bounce = DirectFile::make_bounce(kLittle);
        RF_TRY(const bool whole, direct_.read_at(fd_, path_, offset, out, bounce));
        if (whole) return out.size();
        return read_at(offset, out);
    }

    Result<std::size_t> read_device_at(std::uint64_t offset, MutableBytes out) const override {
        constexpr std::size_t kStep = 1 << 20;
        thread_local const DirectFile::Bounce bounce = DirectFile::make_bounce(kStep);
        std::size_t total = 0;
        while (total < out.size()) {
            const MutableBytes piece = out.subspan(total, std::min(kStep, out.size() - total));
            RF_TRY(const bool whole, direct_.read_at(fd_, path_, offset + total, piece, bounce));
            if (!whole) break;
            total += piece.size();
        }
        if (total == out.size()) return total;
        drop_cache(offset + total, out.size() - total);
        RF_TRY(const std::size_t rest, read_at(offset + total, out.subspan(total)));
        return total + rest;
    }

    Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const override {
        std::size_t total = 0;
        while (total < out.size()) {
            ssize_t n = ::pread(fd_.get(), out.data() + total, out.size() - total,
                                static_cast<off_t>(offset + total));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return Error::from_errno(errno, "read " + path_);
            if (n == 0) break;
            total += static_cast<std::size_t>(n);
        }
        return total;
    }

    Result<void> write_at(std::uint64_t offset, std::span<const Bytes> pieces) override {
        return write(offset, pieces, 0);
    }

    Result<void> write_bulk_at(std::uint64_t offset, std::span<const Bytes> pieces) override {
        static const bool known = kernel_drops_written_pages();
        if (!known || !drops_written_pages_) return write_at(offset, pieces);
        auto written = write(offset, pieces, kDontCache);
        if (written || written.error().code() != Errc::kUnsupported) return written;
        drops_written_pages_ = false;  // the file system does not: nothing was written
        return write_at(offset, pieces);
    }

    Result<void> sync() override {
        while (::fdatasync(fd_.get()) != 0) {
            if (errno != EINTR) return Error::from_errno(errno, "sync " + path_);
        }
        return done();
    }

    Result<std::uint64_t> size() const override {
        struct stat status {};
        if (::fstat(fd_.get(), &status) != 0) return Error::from_errno(errno, "stat " + path_);
        return static_cast<std::uint64_t>(status.st_size);
    }

    Result<void> truncate(std::uint64_t size) override {
        if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
            return Error::from_errno(errno, "truncate " + path_);
        return done();
    }

    Result<void> punch(std::uint64_t offset, std::uint64_t length) override {
        if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(offset), static_cast<off_t>(length)) != 0)
            return Error::from_errno(errno, "punch " + path_);
        return done();
    }

    Result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
        int error =
            ::posix_fallocate(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length));
        if (error != 0) return Error::from_errno(error, "allocate " + path_);
        return done();
    }

    void drop_cache() override { drop_cache(0, 0); }
    void will_need(std::uint64_t offset, std::uint64_t length) override {
        ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length),
                        POSIX_FADV_WILLNEED);
    }

  private:
    /// `length` 0: to the end.
    void drop_cache(std::uint64_t offset, std::uint64_t length) const {
        ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length),
                        POSIX_FADV_DONTNEED);
    }
    Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces, int flags) {
        std::vector<iovec> vectors;
        vectors.reserve(pieces.size());
        for (Bytes piece : pieces) {
            if (piece.empty()) continue;
            vectors.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
        }
        std::size_t first = 0;
        while (first < vectors.size()) {
            int count = static_cast<int>(std::min<std::size_t>(vectors.size() - first, IOV_MAX));
            ssize_t n =
                ::pwritev2(fd_.get(), &vectors[first], count, static_cast<off_t>(offset), flags);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return Error::from_errno(errno, "write " + path_);
            offset += static_cast<std::uint64_t>(n);
            auto left = static_cast<std::size_t>(n);
            while (first < vectors.size() && left >= vectors[first].iov_len)
                left -= vectors[first++].iov_len;
            if (left > 0) {
                vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + left;
                vectors[first].iov_len -= left;
            }
        }
        return done();
    }

    const Fd fd_;
    const std::string path_;
    std::atomic<bool> drops_written_pages_ = true;
    mutable DirectFile direct_;
};

int flags_of(OpenMode mode) {
    switch (mode) {
        case OpenMode::kRead:
            return O_RDONLY;
        case OpenMode::kReadWrite:
            return O_RDWR;
        case OpenMode::kCreate:
            return O_RDWR | O_CREAT;
        case OpenMode::kCreateNew:
            return O_RDWR | O_CREAT | O_EXCL;
    }
    return O_RDONLY;
}

std::string directory_of(const std::string& path) {
    std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenMode mode) {
    Fd fd(::open(path.c_str(), flags_of(mode) | O_CLOEXEC, 0600));
    if (!fd) return Error::from_errno(errno, "open " + path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
}

Result<bool> PosixDisk::exists(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return Error::from_errno(errno, "stat " + path);
}

Result<void> PosixDisk::make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return Error::from_errno(errno, "mkdir " + path);
    return done();
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& path) {
    std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    if (!directory) return Error::from_errno(errno, "list " + path);
    std::vector<std::string> names;
    while (true) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr && errno != 0) return Error::from_errno(errno, "list " + path);
        if (entry == nullptr) return names;
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
}

Result<void> PosixDisk::rename(const std::string& source, const std::string& target) {
    if (::rename(source.c_str(), target.c_str()) != 0)
        return Error::from_errno(errno, "rename " + source + " to " + target);
    return done();
}

Result<void> PosixDisk::remove(const std::string& path) {
    if (::unlink(path.c_str()) != 0) return Error::from_errno(errno, "remove " + path);
    return done();
}

Result<void> PosixDisk::remove_directory(const std::string& path) {
    if (::rmdir(path.c_str()) != 0) return Error::from_errno(errno, "rmdir " + path);
    return done();
}

Result<void> PosixDisk::sync_directory(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return Error::from_errno(errno, "open " + path);
    if (::fsync(fd.get()) != 0) return Error::from_errno(errno, "sync " + path);
    return done();
}

Result<DiskSpace> PosixDisk::space(const std::string& path) {
    struct statvfs volume {};
    struct stat status {};
    if (::statvfs(path.c_str(), &volume) != 0 || ::stat(path.c_str(), &status) != 0)
        return Error::from_errno(errno, "statvfs " + path);
    return DiskSpace{.total_bytes = std::uint64_t{volume.f_blocks} * volume.f_frsize,
                     .free_bytes = std::uint64_t{volume.f_bavail} * volume.f_frsize,
                     .device = status.st_dev};
}

Result<std::vector<std::byte>> read_file(Disk& disk, const std::string& path, std::size_t limit) {
    RF_TRY(auto file, disk.open(path, OpenMode::kRead));
    RF_TRY(std::uint64_t size, file->size());
    if (size > limit) return Error(Errc::kTooBig, path + " is larger than it can be");
    std::vector<std::byte> content(size);
    RF_TRY(std::size_t n, file->read_at(0, content));
    content.resize(n);
    return content;
}

Result<void> replace_file(Disk& disk, const std::string& path, Bytes content) {
    const std::string fresh = path + ".new";
    if (auto removed = disk.remove(fresh); !removed && removed.error().code() != Errc::kNotFound)
        return std::move(removed).error();
    {
        RF_TRY(auto file, disk.open(fresh, OpenMode::kCreateNew));
        RF_CHECK(file->write_at(0, content));
        RF_CHECK(file->sync());
    }
    RF_CHECK(disk.rename(fresh, path));
    return disk.sync_directory(directory_of(path));
}

}  // namespace reelfs
