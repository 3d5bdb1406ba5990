#include "fuse/mounted.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "reelfs/base/fd.h"
#include "reelfs/base/log.h"

namespace reelfs::fuse {
namespace {

constexpr int kReadaheadKib = 1024;

/// With an empty mask and without sync, statx(2) is answered by the kernel alone.
std::optional<dev_t> device_at(const std::string& path) {
    struct statx status {};
    if (statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC, 0, &status) != 0) return std::nullopt;
    return makedev(status.stx_dev_major, status.stx_dev_minor);
}

/// 0, or the errno.
int write_text(const std::string& path, std::string_view text) {
    Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return errno;
    return ::write(file.get(), text.data(), text.size()) < 0 ? errno : 0;
}

std::string read_all(int fd) {
    std::string text;
    std::array<char, 512> piece{};
    while (true) {
        ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return text;
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
}

/// Runs fusermount3 -u; what it says on stderr becomes the Error.
Result<void> run_fusermount(const std::string& path, bool lazily) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
    Fd reading(ends[0]), writing(ends[1]);
    const char* arguments[] = {"fusermount3",           "-u",    lazily ? "-z" : "--",
                               lazily ? "--" : nullptr, nullptr, nullptr};
    arguments[lazily ? 4 : 3] = path.c_str();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writing.get(), STDERR_FILENO);
    pid_t child = 0;
    int failed = posix_spawnp(&child, "fusermount3", &actions, nullptr,
                              const_cast<char* const*>(arguments), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return Error::from_errno(failed, "run fusermount3");
    writing.reset();
    std::string said = read_all(reading.get());
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return done();
    while (!said.empty() && said.back() == '\n') said.pop_back();
    bool busy = said.find("busy") != std::string::npos;
    return Error(busy ? Errc::kBusy : Errc::kNotPermitted,
                 said.empty() ? "fusermount3 failed to unmount " + path : said);
}

}  // namespace

MountedPath::MountedPath(std::string path) : path_(std::move(path)), device_(device_at(path_)) {}

bool MountedPath::present() const {
    auto now = device_at(path_);
    return now && now == device_;
}

Result<void> MountedPath::unmount(bool lazily) const {
    if (!present()) return done();
    if (geteuid() != 0) {
        auto ran = run_fusermount(path_, lazily);
        if (ran || !present()) return done();
        return ran;
    }
    // Lazily means now: with MNT_FORCE the kernel ends the connection too, so that whoever still
    // has a file open gets an error instead of keeping the daemon waiting.
    if (umount2(path_.c_str(), lazily ? MNT_FORCE | MNT_DETACH : 0) == 0) return done();
    int number = errno;
    if (!present()) return done();  // somebody was quicker
    if (number != EBUSY) return Error::from_errno(number, "unmount " + path_);
    return Error(Errc::kBusy,
                 path_ + " is in use: close the files and shells under it (see `fuser -vm " +
                     path_ + "`), or unmount lazily");
}

void MountedPath::abandon(bool connection_alive) const {
    if (connection_alive && device_) {
        write_text(fmt::format("/sys/fs/fuse/connections/{}/abort", minor(*device_)), "1");
    }
    if (!present()) return;
    if (geteuid() == 0) {
        // With MNT_FORCE the kernel aborts the connection first; where /sys/fs/fuse/connections is
        // not mounted that is the only way.
        umount2(path_.c_str(), MNT_FORCE | MNT_DETACH);
    } else if (auto ran = run_fusermount(path_, true); !ran) {
        log::warning("mount: {}", ran.error().message());
    }
}

void MountedPath::raise_readahead() const {
    if (!device_) return;
    std::string knob =
        fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", major(*device_), minor(*device_));
    if (int number = write_text(knob, fmt::format("{}", kReadaheadKib)); number != 0) {
        log::debug("mount: readahead stays at the kernel's own: {}: {}", knob,
                   std::strerror(number));
    }
}

}  // namespace reelfs::fuse
