// An export as plain files. Everything is made anew inside a directory that was empty, so nothing
// that stands there can lead us elsewhere. Folders get their modes and times last, from the bottom
// up, since making things in them changes both.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "app/export.h"
#include "reelfs/base/fd.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::app {

namespace {

timespec timespec_of(Timestamp time) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    std::int64_t seconds = time.ns / kSecond, rest = time.ns % kSecond;
    if (rest < 0) rest += kSecond, --seconds;
    return {.tv_sec = seconds, .tv_nsec = rest};
}

mode_t type_bits(NodeType type) {
    switch (type) {
        case NodeType::kFifo:
            return S_IFIFO;
        case NodeType::kSocket:
            return S_IFSOCK;
        case NodeType::kCharDevice:
            return S_IFCHR;
        case NodeType::kBlockDevice:
            return S_IFBLK;
        case NodeType::kFile:
        case NodeType::kDirectory:
        case NodeType::kSymlink:
            return S_IFREG;
    }
    return S_IFREG;
}

class DirectorySink final : public ExportSink {
  public:
    explicit DirectorySink(Fd top) : top_(std::move(top)) {}

    Result<void> begin(const Exported& entry) override {
        entry_ = entry;
        file_ = Fd();
        made_ = false;
        if (entry.path.empty()) {
            made_ = true;
            return done();
        }
        const char* path = entry.path.c_str();
        int result = 0;
        if (!entry.link_to.empty()) {
            result = ::linkat(top_.get(), entry.link_to.c_str(), top_.get(), path, 0);
        } else if (entry.attributes.is_directory()) {
            result = ::mkdirat(top_.get(), path, 0700);
        } else if (entry.attributes.type == NodeType::kSymlink) {
            result = ::symlinkat(entry.target.c_str(), top_.get(), path);
        } else if (entry.attributes.is_file()) {
            file_ = Fd(::openat(top_.get(), path,
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
            result = file_ ? 0 : -1;
        } else {
            result = ::mknodat(top_.get(), path, type_bits(entry.attributes.type) | 0600,
                               static_cast<dev_t>(entry.attributes.device));
        }
        if (result != 0) return failed("make", errno);
        made_ = true;
        if (file_ && ::ftruncate(file_.get(), static_cast<off_t>(entry.attributes.size)) != 0)
            return failed("make", errno);
        return done();
    }

    Result<void> data(std::uint64_t offset, Bytes bytes) override {
        if (!file_) return done();
        while (!bytes.empty()) {
            const ssize_t n =
                ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return Error::from_errno(errno, "write " + entry_.path);
            bytes = bytes.subspan(static_cast<std::size_t>(n));
            offset += static_cast<std::uint64_t>(n);
        }
        return done();
    }

    Result<void> end() override {
        if (!made_ || !entry_.link_to.empty()) return done();
        if (entry_.attributes.is_directory()) {
            set_owner_and_xattrs(entry_);
            folders_.push_back({entry_.path, entry_.attributes.mode, entry_.attributes.accessed,
                                entry_.attributes.modified});
            return done();
        }
        set_owner_and_xattrs(entry_);
        if (entry_.attributes.type != NodeType::kSymlink)
            set_mode(entry_.path, entry_.attributes.mode);
        set_times(entry_.path, entry_.attributes.accessed, entry_.attributes.modified);
        file_ = Fd();
        return done();
    }

    Result<void> finish() override {
        for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
            set_mode(folder->path, folder->mode);
            set_times(folder->path, folder->accessed, folder->modified);
        }
        // All that was made, not only the top folder.
        if (::syncfs(top_.get()) != 0) return Error::from_errno(errno, "sync the directory");
        return done();
    }

    std::vector<std::string> problems() const override {
        std::vector<std::string> lines = lines_;
        for (const auto& [what, count] : missed_)
            lines.push_back(fmt::format("{} could not be kept, {} {}", what, count,
                                        count == 1 ? "time" : "times"));
        return lines;
    }

  private:
    struct Folder {
        std::string path;
        std::uint32_t mode;
        Timestamp accessed, modified;
    };
    static const char* at(const std::string& path) { return path.empty() ? "." : path.c_str(); }

    /// ENOSPC and the like end it all; what this place cannot have is told and gone on from.
    Result<void> failed(std::string_view what, int number) {
        if (number == ENOSPC || number == EDQUOT || number == EIO || number == EROFS)
            return Error::from_errno(number, fmt::format("{} {}", what, entry_.path));
        if (lines_.size() < limits::findings_max)
            lines_.push_back(
                fmt::format("{}: could not be made: {}", entry_.path, std::strerror(number)));
        return done();
    }
    void set_owner_and_xattrs(const Exported& entry) {
        const Attributes& a = entry.attributes;
        if (::fchownat(top_.get(), at(entry.path), a.uid, a.gid, AT_SYMLINK_NOFOLLOW) != 0)
            ++missed_["owners (that takes root)"];
        // There is no call that goes by directory and name; the descriptor's own path does.
        const std::string path = fmt::format("/proc/self/fd/{}/{}", top_.get(), at(entry.path));
        for (const auto& [name, value] : entry.xattrs)
            if (::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0)
                ++missed_["extended attributes like " + name];
    }
    void set_mode(const std::string& path, std::uint32_t mode) {
        if (::fchmodat(top_.get(), at(path), mode, 0) != 0) ++missed_["modes"];
    }
    void set_times(const std::string& path, Timestamp accessed, Timestamp modified) {
        const timespec times[] = {timespec_of(accessed), timespec_of(modified)};
        if (::utimensat(top_.get(), at(path), times, AT_SYMLINK_NOFOLLOW) != 0) ++missed_["times"];
    }

    const Fd top_;
    Exported entry_;
    Fd file_;
    bool made_ = false;
    std::vector<Folder> folders_;
    std::vector<std::string> lines_;
    std::map<std::string, std::uint64_t> missed_;
};

}  // namespace

Result<std::unique_ptr<ExportSink>> export_to_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return Error::from_errno(errno, "make " + path);
    std::error_code error;
    if (!std::filesystem::is_empty(path, error) || error)
        return Error(Errc::kExists,
                     fmt::format("{} is no empty directory; choose an empty or a new one", path));
    Fd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!top) return Error::from_errno(errno, "open " + path);
    return std::unique_ptr<ExportSink>(std::make_unique<DirectorySink>(std::move(top)));
}

}  // namespace reelfs::app
