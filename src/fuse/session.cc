#include "fuse/session.h"

#include <fmt/format.h>
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
#include "fuse/reply.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::fuse {
namespace {

/// The device reports POLLERR once the mount is gone or was aborted.
bool is_alive(fuse_session* session) {
    pollfd device{fuse_session_fd(session), 0, 0};
    return ::poll(&device, 1, 0) == 0;
}

/// Wakes libfuse's loop; nobody else uses it here.
constexpr int kWakeSignal = SIGUSR2;
constexpr auto kWakeAgain = std::chrono::milliseconds(10);

constexpr std::uint64_t kAclFlags = FUSE_POSIX_ACL | FUSE_DONT_MASK;

}  // namespace

void Session::Notifier::forget_name(std::uint64_t parent_ino, const std::string& name) {
    fuse_lowlevel_notify_inval_entry(session_, parent_ino, name.data(), name.size());
}

void Session::Notifier::forget_node(std::uint64_t ino) {
    fuse_lowlevel_notify_inval_inode(session_, ino, 0, 0);
}

Session::Session(core::Tree& tree, const Clock& clock, Metrics& metrics,
                 const MountOptions& options, std::unique_ptr<Attachment> attachment)
    : door_(tree, clock, metrics, options),
      threads_(std::max(options.threads, 1u)),
      attachment_(std::move(attachment)),
      mountpoint_(options.mountpoint) {}

Result<std::unique_ptr<Session>> Session::start(core::Tree& tree, const Clock& clock,
                                                Metrics& metrics, const MountOptions& options,
                                                std::unique_ptr<Attachment> attachment) {
    std::unique_ptr<Session> session(
        new Session(tree, clock, metrics, options, std::move(attachment)));
    RF_CHECK(session->open(options));
    session->notifier_.emplace(session->session_.get());
    session->invalidator_.emplace(*session->notifier_, session->door_.ids);
    tree.set_change_listener(&*session->invalidator_);
    return session;
}

Result<void> Session::open(const MountOptions& options) {
    LibfuseMessages messages;
    fuse_args arguments = FUSE_ARGS_INIT(0, nullptr);
    fuse_opt_add_arg(&arguments, "reelfs");
    fuse_lowlevel_ops operations = ops::table(options.default_permissions);
    session_.reset(fuse_session_new(&arguments, &operations, sizeof operations, &door_));
    fuse_opt_free_args(&arguments);
    const std::string what = "mount " + mountpoint_ + ": ";
    if (!session_) return Error(Errc::kIo, what + messages.text_or("libfuse refused"));
    RF_TRY(std::vector<Fd> device, attachment_->attach());
    attached_ = true;
    // A path like this one is libfuse's way of taking a device that was mounted by somebody else.
    if (fuse_session_mount(session_.get(), fmt::format("/dev/fd/{}", device[0].get()).c_str()) != 0)
        return Error(Errc::kIo, what + messages.text_or("libfuse refused the device"));
    device[0].release();  // closed with the session
    device.erase(device.begin());
    if (!install_device_calls(session_.get()))
        return Error(Errc::kIo, what + messages.text_or("libfuse refused"));
    auto agreed = exchange_init();
    if (!agreed) return Error(Errc::kIo, what + messages.text_or("no INIT"));
    if (options.acl && (door_.init.agreed() & kAclFlags) != kAclFlags) {
        return Error(Errc::kUnsupported, what +
                                             "this kernel's FUSE knows no access control lists; "
                                             "mount without -o acl");
    }
    attachment_->tune();
    door_.queues.fill(std::move(device));
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
    fuse_loop_cfg_set_clone_fd(config.get(), 0);  // we have done that
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
    return Error::from_errno(std::abs(result), "serve " + mountpoint_);
}

Result<void> Session::unmount(bool lazily) {
    RF_CHECK(attachment_->detach(lazily));
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
    if (attached_) attachment_->abandon(is_alive(session_.get()));
    invalidator_.reset();
    session_.reset();
    for (auto& file : door_.files.take_all()) {
        try {
            door_.tree.release(std::move(file));
        } catch (const std::exception& thrown) {
            log_failure(Operation::kRelease, thrown.what());
        }
    }
    door_.directories.take_all();
    door_.tree.forget_all();
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
                                     const MountOptions& options,
                                     std::unique_ptr<Attachment> attachment) {
    RF_TRY(std::unique_ptr<Session> session,
           Session::start(tree, clock, metrics, options, std::move(attachment)));
    return std::unique_ptr<Mount>(std::move(session));
}

}  // namespace reelfs::fuse
