#include "fuse/session.h"

#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>

#include "fuse/connection.h"
#include "fuse/ops.h"
#include "fuse/preflight.h"
#include "fuse/reply.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::fuse {
namespace {

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

Result<std::string> canonical(const std::string& path) {
    std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
    if (!real) return Error::from_errno(errno, "mountpoint " + path);
    return std::string(real.get());
}

/// The device reports POLLERR once the mount is gone or was aborted.
bool is_alive(fuse_session* session) {
    pollfd device{fuse_session_fd(session), 0, 0};
    return ::poll(&device, 1, 0) == 0;
}

/// Wakes libfuse's loop; nobody else uses it here.
constexpr int kWakeSignal = SIGUSR2;
constexpr auto kWakeAgain = std::chrono::milliseconds(10);

constexpr std::uint64_t kAclFlags = FUSE_POSIX_ACL | FUSE_DONT_MASK;

Result<void> check(const MountOptions& options) {
    bool as_root = geteuid() == 0;
    RF_CHECK(check_mountpoint(options.mountpoint));
    RF_CHECK(check_device(as_root));
    return check_allow_other(options, as_root);
}

}  // namespace

void Session::Notifier::forget_name(std::uint64_t parent_ino, const std::string& name) {
    fuse_lowlevel_notify_inval_entry(session_, parent_ino, name.data(), name.size());
}

void Session::Notifier::forget_node(std::uint64_t ino) {
    fuse_lowlevel_notify_inval_inode(session_, ino, 0, 0);
}

Session::Session(core::Tree& tree, const Clock& clock, Metrics& metrics,
                 const MountOptions& options)
    : door_(tree, clock, metrics, options), threads_(std::max(options.threads, 1u)) {}

Result<std::unique_ptr<Session>> Session::start(core::Tree& tree, const Clock& clock,
                                                Metrics& metrics, const MountOptions& options) {
    RF_CHECK(check(options));
    std::unique_ptr<Session> session(new Session(tree, clock, metrics, options));
    RF_CHECK(session->open(options));
    session->notifier_.emplace(session->session_.get());
    session->invalidator_.emplace(*session->notifier_, session->door_.ids);
    tree.set_change_listener(&*session->invalidator_);
    return session;
}

Result<void> Session::open(const MountOptions& options) {
    RF_TRY(std::string path, canonical(options.mountpoint));
    LibfuseMessages messages;
    Arguments arguments(option_string(options));
    fuse_lowlevel_ops operations = ops::table(options.default_permissions);
    session_.reset(fuse_session_new(arguments.get(), &operations, sizeof operations, &door_));
    if (!session_) {
        return Error(Errc::kInvalid, "mount options: " + messages.text_or("not understood"));
    }
    if (fuse_session_mount(session_.get(), path.c_str()) != 0) {
        return Error(Errc::kNotPermitted,
                     "mount " + path + ": " +
                         messages.text_or("refused by fusermount3 (see its message above)"));
    }
    mounted_.emplace(path);
    if (!install_device_calls(session_.get())) {
        return Error(Errc::kIo, "mount " + path + ": " + messages.text_or("libfuse refused"));
    }
    auto agreed = exchange_init();
    if (!agreed) return Error(Errc::kIo, "mount " + path + ": " + messages.text_or("no INIT"));
    if (options.acl && (door_.init.agreed() & kAclFlags) != kAclFlags) {
        return Error(Errc::kUnsupported, "mount " + path +
                                             ": this kernel's FUSE knows no access control lists; "
                                             "mount without -o acl");
    }
    mounted_->raise_readahead();
    return done();
}

Result<void> Session::exchange_init() {
    fuse_buf buffer{};
    int got = 0;
    do {
        got = fuse_session_receive_buf(session_.get(), &buffer);
    } while (got == -EINTR);
    std::unique_ptr<void, decltype(&std::free)> memory(buffer.mem, &std::free);
    if (got <= 0) return Error::from_errno(got < 0 ? -got : ENODEV, "INIT");
    fuse_session_process_buf(session_.get(), &buffer);
    if (fuse_session_exited(session_.get())) return Error::from_errno(EPROTO, "INIT");
    return done();
}

Result<void> Session::serve() {
    struct Free {
        void operator()(fuse_loop_config* config) const { fuse_loop_cfg_destroy(config); }
    };
    std::unique_ptr<fuse_loop_config, Free> config(fuse_loop_cfg_create());
    if (!config) return Error(Errc::kNoMemory, "serve the mount");
    fuse_loop_cfg_set_clone_fd(config.get(), 1);
    fuse_loop_cfg_set_max_threads(config.get(), threads_);
    // Idle threads are kept (libfuse's default, -1): making and ending them costs more.
    {
        MutexLock lock(serving_mutex_);
        serving_ = pthread_self();
    }
    int result = fuse_session_loop_mt(session_.get(), config.get());
    {
        MutexLock lock(serving_mutex_);
        serving_.reset();
    }
    served_.notify_all();
    if (fuse_session_exited(session_.get())) return done();
    // However the workers put it: when the connection is over, the mount was taken down.
    if (result == 0 || !is_alive(session_.get())) return done();
    return Error::from_errno(std::abs(result), "serve " + mounted_->path());
}

Result<void> Session::unmount(bool lazily) {
    RF_CHECK(mounted_->unmount(lazily));
    // A file somebody holds open keeps the connection alive after a lazy unmount. Only root can
    // make the kernel end it; everybody can stop answering, and closing the device then ends it.
    if (lazily) end_serving();
    return done();
}

void Session::end_serving() {
    // libfuse's loop looks at its flag when a signal interrupts it, and at no other time; one that
    // arrives while it looks is lost, hence again.
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    sigaction(kWakeSignal, &nothing, nullptr);
    fuse_session_exit(session_.get());
    MutexLock lock(serving_mutex_);
    while (serving_) {
        pthread_kill(*serving_, kWakeSignal);
        served_.wait_for(serving_mutex_, kWakeAgain);
    }
}

Session::~Session() {
    if (invalidator_) door_.tree.set_change_listener(nullptr);
    // Before the invalidator stops: a delivery may wait in the kernel for a request that nobody
    // answers any more, and aborting the connection lets it go.
    if (mounted_) mounted_->abandon(is_alive(session_.get()));
    invalidator_.reset();
    // libfuse unmounts by path, so only once the connection is over: then it just closes the
    // device.
    if (mounted_ && !is_alive(session_.get())) fuse_session_unmount(session_.get());
    session_.reset();
    for (auto& file : door_.files.take_all()) {
        try {
            door_.tree.release(std::move(file));
        } catch (const std::exception& thrown) {
            log_failure(Operation::kRelease, thrown.what());
        }
    }
    door_.directories.take_all();
}

fuse_lowlevel_ops ops::table(bool default_permissions) {
    fuse_lowlevel_ops table{};
    table.init = configure_connection;
    table.lookup = lookup;
    table.forget = forget;
    table.forget_multi = forget_multi;
    table.getattr = getattr;
    table.setattr = setattr;
    if (!default_permissions) table.access = access;
    table.readlink = readlink;
    table.mknod = mknod;
    table.mkdir = mkdir;
    table.unlink = unlink;
    table.rmdir = rmdir;
    table.symlink = symlink;
    table.rename = rename;
    table.link = link;
    table.create = create;
    table.open = open;
    table.read = read;
    table.write = write;
    table.flush = flush;
    table.fsync = fsync;
    table.release = release;
    table.fallocate = fallocate;
    table.lseek = lseek;
    table.copy_file_range = copy_file_range;
    table.opendir = opendir;
    table.readdir = readdir;
    table.readdirplus = readdirplus;
    table.releasedir = releasedir;
    table.fsyncdir = fsyncdir;
    table.statfs = statfs;
    table.setxattr = setxattr;
    table.getxattr = getxattr;
    table.listxattr = listxattr;
    table.removexattr = removexattr;
    return table;
}

Result<std::unique_ptr<Mount>> mount(core::Tree& tree, const Clock& clock, Metrics& metrics,
                                     const MountOptions& options) {
    RF_TRY(std::unique_ptr<Session> session, Session::start(tree, clock, metrics, options));
    return std::unique_ptr<Mount>(std::move(session));
}

}  // namespace reelfs::fuse
