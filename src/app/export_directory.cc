// An export as plain files. Everything is made anew inside a directory that was empty. Somebody
// else may write there meanwhile, and to the file system two names may be one: so the way to a
// folder is gone component by component and through no link, what was not made is not entered, and
// attributes are set by descriptor. Folders get theirs last, from the bottom up: what is made in
// them changes their times, would take over their default access control list, and needs them
// writable.
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
#include "reelfs/model/posix_stat.h"

namespace reelfs::app {

namespace {

/// What stands before the last slash, "" for nothing, and what behind.
std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}
std::string name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

class DirectorySink final : public ExportSink {
  public:
    explicit DirectorySink(Fd top) : top_(std::move(top)) {}

    Result<bool> begin(const Exported& entry) override {
        entry_ = entry;
        file_ = Fd();
        if (int number = make(); number != 0) return failed(number);
        if (entry.attributes.is_directory())
            folders_.push_back({entry.path, entry.attributes, entry.xattrs});
        return true;
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
        if (!entry_.link_to.empty() || entry_.attributes.is_directory()) return done();
        const std::string name = name_of(entry_.path);
        const Fd made =
            file_ ? std::move(file_)
                  : Fd(::openat(folder_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        set_attributes(made, entry_.path, entry_.attributes, entry_.xattrs);
        return done();
    }

    Result<void> finish() override {
        for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
            Fd made;
            open_folder(folder->path, made);
            set_attributes(made, folder->path, folder->attributes, folder->xattrs);
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
        Attributes attributes;
        Xattrs xattrs;
    };

    /// 0 or an errno, as the next two.
    int make() {
        if (entry_.path.empty()) return 0;
        if (int number = enter(folder_of(entry_.path)); number != 0) return number;
        const std::string last = name_of(entry_.path);
        const char* name = last.c_str();
        const Attributes& a = entry_.attributes;
        if (!entry_.link_to.empty()) {
            Fd source;
            if (int number = open_folder(folder_of(entry_.link_to), source); number != 0)
                return number;
            const std::string first = name_of(entry_.link_to);
            return ::linkat(source.get(), first.c_str(), folder_.get(), name, 0) == 0 ? 0 : errno;
        }
        int result = 0;
        if (a.is_directory()) {
            result = ::mkdirat(folder_.get(), name, 0700);
        } else if (a.type == NodeType::kSymlink) {
            result = ::symlinkat(entry_.target.c_str(), folder_.get(), name);
        } else if (a.is_file()) {
            file_ = Fd(::openat(folder_.get(), name,
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
            result = file_ ? 0 : -1;
        } else {
            result = ::mknodat(folder_.get(), name, type_bits(a.type) | 0600,
                               static_cast<dev_t>(a.device));
        }
        if (result != 0) return errno;
        if (!file_ || ::ftruncate(file_.get(), static_cast<off_t>(a.size)) == 0) return 0;
        const int number = errno;  // a size that files cannot have here
        ::unlinkat(folder_.get(), name, 0);
        return number;
    }
    /// Makes it the folder that things are made in.
    int enter(const std::string& path) {
        if (folder_ && folder_path_ == path) return 0;
        folder_ = Fd();
        folder_path_ = path;
        return open_folder(path, folder_);
    }
    int open_folder(std::string_view path, Fd& opened) const {
        constexpr int kFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        Fd at(::openat(top_.get(), ".", kFlags));
        while (at && !path.empty()) {
            const auto slash = std::min(path.find('/'), path.size());
            Fd next(::openat(at.get(), std::string(path.substr(0, slash)).c_str(), kFlags));
            if (!next) return errno;
            at = std::move(next);
            path.remove_prefix(std::min(slash + 1, path.size()));
        }
        if (!at) return errno;
        opened = std::move(at);
        return 0;
    }

    /// ENOSPC and the like end it all; what this place cannot have is told and gone on from.
    Result<bool> failed(int number) {
        if (number == ENOSPC || number == EDQUOT || number == EIO || number == EROFS)
            return Error::from_errno(number, "make " + entry_.path);
        problem(fmt::format("{}: could not be made{}: {}", entry_.path,
                            entry_.attributes.is_directory() ? ", nor what is in it" : "",
                            std::strerror(number)));
        return false;
    }
    void problem(std::string line) {
        if (lines_.size() < limits::findings_max) lines_.push_back(std::move(line));
    }

    /// Of what was opened without following a link, if it is still what was made.
    void set_attributes(const Fd& made, const std::string& path, const Attributes& a,
                        const Xattrs& xattrs) {
        struct stat found {};
        if (!made || ::fstat(made.get(), &found) != 0 ||
            (found.st_mode & S_IFMT) != type_bits(a.type))
            return problem(path + ": without its attributes: removed or replaced meanwhile");
        // The calls that take a descriptor do not take one that is open as a path only.
        const std::string self = fmt::format("/proc/self/fd/{}", made.get());
        if (::fchownat(made.get(), "", a.uid, a.gid, AT_EMPTY_PATH) != 0)
            ++missed_["owners (that takes root)"];
        for (const auto& [name, value] : xattrs)
            if (::setxattr(self.c_str(), name.c_str(), value.data(), value.size(), 0) != 0)
                ++missed_["extended attributes like " + name];
        if (a.type != NodeType::kSymlink && ::chmod(self.c_str(), a.mode) != 0) ++missed_["modes"];
        const timespec times[] = {timespec_of(a.accessed), timespec_of(a.modified)};
        if (::utimensat(AT_FDCWD, self.c_str(), times, 0) != 0) ++missed_["times"];
    }

    const Fd top_;
    Exported entry_;
    Fd file_;
    Fd folder_;  // that it is in
    std::string folder_path_;
    std::vector<Folder> folders_;
    std::vector<std::string> lines_;
    std::map<std::string, std::uint64_t> missed_;
};

}  // namespace

Result<std::unique_ptr<ExportSink>> export_to_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return Error::from_errno(errno, "make " + path);
    Fd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!top && errno != ENOTDIR) return Error::from_errno(errno, "open " + path);
    std::error_code error;
    if (!top || !std::filesystem::is_empty(fmt::format("/proc/self/fd/{}", top.get()), error) ||
        error)
        return Error(Errc::kExists,
                     fmt::format("{} is no empty directory; choose an empty or a new one", path));
    // It becomes the container's own folder: what is made in it takes nothing over from before.
    for (const char* list : {"system.posix_acl_default", "system.posix_acl_access"})
        if (::fgetxattr(top.get(), list, nullptr, 0) >= 0 && ::fremovexattr(top.get(), list) != 0)
            return Error::from_errno(errno,
                                     fmt::format("take away the access control list of {}", path));
    return std::unique_ptr<ExportSink>(std::make_unique<DirectorySink>(std::move(top)));
}

}  // namespace reelfs::app
