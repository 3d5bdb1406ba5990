#include "fuse/attachment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "fuse/connection.h"
#include "fuse/libfuse.h"
#include "fuse/preflight.h"
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

/// What a program started meanwhile writes to stderr, which libfuse hands on to fusermount3.
class CaughtStderr {
  public:
    CaughtStderr()
        : caught_(memfd_create("stderr", MFD_CLOEXEC)),
          former_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
        if (caught_ && former_) dup2(caught_.get(), STDERR_FILENO);
    }
    ~CaughtStderr() { give_back(); }
    CaughtStderr(const CaughtStderr&) = delete;
    CaughtStderr& operator=(const CaughtStderr&) = delete;

    /// Ends it. Without the line break at the end.
    std::string text() {
        give_back();
        lseek(caught_.get(), 0, SEEK_SET);
        std::string text = read_all(caught_.get());
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    }

  private:
    void give_back() {
        if (former_) dup2(former_.get(), STDERR_FILENO);
        former_.reset();
    }
    Fd caught_;
    Fd former_;
};

/// Arguments as libfuse takes them, freed with it.
class Arguments {
  public:
    explicit Arguments(const std::string& options) {
        fuse_opt_add_arg(&arguments_, "reelfs");
        fuse_opt_add_arg(&arguments_, ("-o" + options).c_str());
    }
    ~Arguments() { fuse_opt_free_args(&arguments_); }
    Arguments(const Arguments&) = delete;
    Arguments& operator=(const Arguments&) = delete;
    fuse_args* get() { return &arguments_; }

  private:
    fuse_args arguments_ = FUSE_ARGS_INIT(0, nullptr);
};

/// A session that is there to mount: libfuse knows how, and whoever serves has one of his own.
Result<Fd> mount_with_libfuse(const MountOptions& options, const std::string& path) {
    struct Destroy {
        void operator()(fuse_session* session) const { fuse_session_destroy(session); }
    };
    LibfuseMessages messages;
    Arguments arguments(option_string(options));
    const fuse_lowlevel_ops nothing{};
    std::unique_ptr<fuse_session, Destroy> session(
        fuse_session_new(arguments.get(), &nothing, sizeof nothing, nullptr));
    if (!session)
        return Error(Errc::kInvalid, "mount options: " + messages.text_or("not understood"));
    CaughtStderr caught;
#ifdef __SANITIZE_ADDRESS__
    // libfuse keeps a copy of the path that it frees only when it also unmounts.
    const __lsan::ScopedDisabler not_ours;
#endif
    const int failed = fuse_session_mount(session.get(), path.c_str());
    const std::string said = caught.text();
    if (failed != 0) {
        const std::string why = messages.text_or(said.empty() ? "refused" : "");
        return Error(Errc::kNotPermitted,
                     fmt::format("mount {}: {}{}{}", path, said,
                                 said.empty() || why.empty() ? "" : "; ", why));
    }
    // Destroying the session closes its descriptor and leaves the mount.
    Fd device(fcntl(fuse_session_fd(session.get()), F_DUPFD_CLOEXEC, 0));
    if (!device) return Error::from_errno(errno, "mount " + path);
    return device;
}

Fd another_queue(const Fd& device) {
    Fd queue(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    auto number = static_cast<std::uint32_t>(device.get());
    if (!queue || ::ioctl(queue.get(), FUSE_DEV_IOC_CLONE, &number) != 0) return Fd();
    return queue;
}

}  // namespace

Result<void> unmount_by_fusermount(const std::string& path, bool lazily) {
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
    if (failed != 0) return Error::from_errno(failed, "run fusermount3 (Debian package fuse3)");
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

Result<std::vector<Fd>> LocalAttachment::attach() {
    const bool as_root = geteuid() == 0;
    RF_CHECK(check_mountpoint(options_.mountpoint));
    RF_CHECK(check_device(as_root));
    RF_CHECK(check_allow_other(options_, as_root));
    std::unique_ptr<char, decltype(&std::free)> real(realpath(options_.mountpoint.c_str(), nullptr),
                                                     &std::free);
    if (!real) return Error::from_errno(errno, "mountpoint " + options_.mountpoint);
    std::vector<Fd> device;
    RF_TRY(Fd first, mount_with_libfuse(options_, real.get()));
    path_ = real.get();
    device_ = device_at(path_);
    for (unsigned worker = 0; worker < options_.threads; ++worker) {
        Fd queue = another_queue(first);
        if (!queue) break;  // the workers share what there is
        device.push_back(std::move(queue));
    }
    device.insert(device.begin(), std::move(first));
    return device;
}

bool LocalAttachment::present() const {
    if (path_.empty()) return false;
    auto now = device_at(path_);
    return now && now == device_;
}

Result<void> LocalAttachment::detach(bool lazily) {
    if (!present()) return done();
    if (geteuid() != 0) {
        auto ran = unmount_by_fusermount(path_, lazily);
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

void LocalAttachment::abandon(bool connection_alive) {
    if (connection_alive && device_) {
        write_text(fmt::format("/sys/fs/fuse/connections/{}/abort", minor(*device_)), "1");
    }
    if (!present()) return;
    if (geteuid() == 0) {
        // With MNT_FORCE the kernel aborts the connection first; where /sys/fs/fuse/connections is
        // not mounted that is the only way.
        umount2(path_.c_str(), MNT_FORCE | MNT_DETACH);
    } else if (auto ran = unmount_by_fusermount(path_, true); !ran) {
        log::warning("mount: {}", ran.error().message());
    }
}

void LocalAttachment::tune() {
    if (!device_) return;
    std::string knob =
        fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", major(*device_), minor(*device_));
    if (int number = write_text(knob, fmt::format("{}", kReadaheadKib)); number != 0) {
        log::debug("mount: readahead stays at the kernel's own: {}: {}", knob,
                   std::strerror(number));
    }
}

std::unique_ptr<Attachment> local_attachment(const MountOptions& options) {
    return std::make_unique<LocalAttachment>(options);
}

}  // namespace reelfs::fuse
