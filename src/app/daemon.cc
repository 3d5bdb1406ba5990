#include "app/daemon.h"

#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "app/control_server.h"
#include "app/http_options.h"
#include "app/keeper.h"
#include "app/mount_table.h"
#include "app/privileges.h"
#include "app/process.h"
#include "app/stop_watch.h"
#include "app/store_service.h"
#include "app/text.h"
#include "reelfs/base/log.h"
#include "reelfs/base/metrics.h"
#include "reelfs/fuse/mount.h"
#include "reelfs/http/authenticator.h"
#include "reelfs/http/server.h"

namespace reelfs::app {

namespace {

constexpr int kLockWaitMs = 15'000;      // a daemon that drains gets this long
constexpr int kHttpGraceMs = 2'000;      // for responses in flight
constexpr int kHttpStopMs = 15'000;      // before the process gives up on its HTTP threads
constexpr int kMountReleaseMs = 15'000;  // the same for the mount's
constexpr int kJobStopMs = 60'000;       // the same for a job, which may be syncing a large file
constexpr std::size_t kHoldersNamed = 5;

std::string text_of_endpoint(const http::Endpoint& endpoint) {
    const bool v6 =
        endpoint.address.find(':') != std::string::npos && !endpoint.address.starts_with('[');
    return v6 ? fmt::format("[{}]:{}", endpoint.address, endpoint.port)
              : fmt::format("{}:{}", endpoint.address, endpoint.port);
}

fuse::MountOptions mount_options(const DaemonPlan& plan) {
    const MountWords& words = plan.words;
    return {.mountpoint = plan.mountpoint,
            .source = plan.store.path,
            .read_only = words.read_only,
            .allow_other = words.allow_other,
            .default_permissions = words.default_permissions,
            .nosuid = words.nosuid,
            .nodev = words.nodev,
            .noexec = words.noexec,
            .acl = words.acl,
            .other = words.other};
}

/// A store that is opened is written to, read-only or not: what the last run left is put in order.
Result<void> check_writable_disk(const std::string& store) {
    struct statvfs disk {};
    if (::statvfs(store.c_str(), &disk) != 0 || (disk.f_flag & ST_RDONLY) == 0) return done();
    return Error(Errc::kReadOnly,
                 fmt::format("store {} is on a disk that is mounted read-only, and opening a store "
                             "writes to it, also with -o ro: make the disk writable (mount -o "
                             "remount,rw), or copy the store to one that is",
                             store));
}

/// What the daemon will want done for it.
Result<KeeperDuties> duties_of(const DaemonPlan& plan, const Identity& owner) {
    KeeperDuties duties{.mount = std::nullopt,
                        .endpoints = {},
                        .read = {plan.words.tls_certificate, plan.words.tls_key},
                        .append = {plan.log_path, plan.words.access_log},
                        .control_socket = plan.control_socket,
                        .owner = owner};
    if (!plan.mountpoint.empty()) duties.mount = mount_options(plan);
    RF_TRY(const http::ServerOptions doors, server_options_of(plan.words));
    for (const auto& endpoint : {doors.http, doors.https, doors.admin})
        if (endpoint) duties.endpoints.push_back(*endpoint);
    return duties;
}

class Daemon {
  public:
    Daemon(Machine& machine, const DaemonPlan& plan, Keeper& keeper, const Identity& owner,
           Launch& launch)
        : machine_(machine), plan_(plan), keeper_(keeper), owner_(owner), launch_(launch) {}
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon() {
        if (auto closed = take_down(); !closed) log::error("{}", closed.error().message());
    }

    Result<void> start(crypto::Unlock unlock);
    /// Until something asks for the end.
    void wait();
    Exit stop();
    std::string announcement() const;

  private:
    Result<void> open_volume(crypto::Unlock unlock);
    Result<void> start_http();
    Result<Fd> make_control_socket();
    Result<void> start_control();
    Result<void> start_mount();
    void serve_mount() noexcept;
    void request_end(const char* why);
    /// What SIGHUP asks for.
    void reload();
    void release_mount(StopWatch& watch);
    Result<void> take_down();

    Machine& machine_;
    const DaemonPlan& plan_;
    Keeper& keeper_;
    const Identity owner_;  // of the store
    Launch& launch_;

    Fd signals_;
    Fd end_;  // eventfd: readable once the daemon is to stop
    std::optional<StoreLock> lock_;
    LockRecord record_;
    Metrics metrics_;
    std::unique_ptr<core::Volume> volume_;
    std::unique_ptr<http::Authenticator> authenticator_;
    std::unique_ptr<http::Server> http_;
    std::unique_ptr<StoreService> service_;
    std::unique_ptr<ControlServer> control_;
    std::unique_ptr<fuse::Mount> mount_;
    std::thread mount_thread_;
    std::atomic<bool> mount_ended_ = false;
    std::atomic<bool> mount_failed_ = false;
    bool taken_down_ = false;
};

Result<void> Daemon::start(crypto::Unlock unlock) {
    RF_TRY(signals_, take_signals());
    end_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!end_) return Error::from_errno(errno, "make an event descriptor");
    RF_CHECK(check_writable_disk(plan_.store.path));
    RF_TRY(lock_, StoreLock::acquire(plan_.store.path, kLockWaitMs));
    RF_CHECK(open_volume(std::move(unlock)));
    RF_CHECK(start_http());
    RF_CHECK(start_control());
    return start_mount();
}

Result<void> Daemon::open_volume(crypto::Unlock unlock) {
    core::OpenOptions options{.directory = plan_.store.path,
                              .unlock = std::move(unlock),
                              .read_only = plan_.words.read_only};
    auto opened = core::open_store(machine_.environment(), options);
    forget(options.unlock);
    if (!opened) {
        const auto foreign = foreign_file(plan_.store.path, owner_.uid);
        if (!foreign) return std::move(opened).error();
        return std::move(opened).error().with(
            fmt::format("{0} does not belong to the store's owner, {1}, as all in a store must "
                        "(chown -R {1}: '{2}')",
                        *foreign, name_of_user(owner_.uid), plan_.store.path));
    }
    RF_TRY(volume_, std::move(opened));
    for (const crypto::Zone& zone : volume_->zones()) {
        // Zones are known only now; whether the key lies in one could not be checked before, and
        // its own folder may be closed to us now.
        if (zone.path.empty()) continue;
        RF_TRY(std::string real, real_path(zone.path));
        if (is_inside(plan_.key_file, real)) return key_lies_inside(plan_.key_file, zone.path);
    }
    for (const std::string& line : volume_->open_report()) {
        log::warning("open: {}", line);
        launch_.warn(line);
    }
    return done();
}

Result<void> Daemon::start_http() {
    RF_TRY(http::ServerOptions options, server_options_of(plan_.words));
    if (!options.http && !options.https && !options.admin) return done();
    options.admin_token = plan_.admin_token;
    options.degraded = [this] { return volume_->degraded(); };
    options.extra_metrics = [] { return process_metrics(); };
    authenticator_ =
        http::make_authenticator(volume_->accounts(), machine_.clock, plan_.words.region);
    options.authenticator = authenticator_.get();
    options.bind = [this](const http::Endpoint& endpoint) { return keeper_.bind(endpoint); };
    options.read_file = [this](const std::string& path) { return keeper_.read(path); };
    options.open_log = [this](const std::string& path) { return keeper_.open_log(path); };
    RF_TRY(http_, http::start_server(volume_->tree(), machine_.clock, metrics_, options));
    if (auto bound = http_->http()) record_.http = text_of_endpoint(*bound);
    if (auto bound = http_->https()) record_.https = text_of_endpoint(*bound);
    if (auto bound = http_->admin()) record_.admin = text_of_endpoint(*bound);
    return done();
}

/// In the runtime directory where there is one that works, else in STORE/run.
Result<Fd> Daemon::make_control_socket() {
    if (!plan_.control_socket.empty()) {
        if (auto socket = keeper_.control_socket()) {
            record_.socket = plan_.control_socket;
            return socket;
        }
    }
    const std::string folder = plan_.store.path + "/run";
    RF_CHECK(make_private_directories(folder));
    record_.socket = fmt::format("{}/{}.sock", folder, plan_.store.id.hex());
    return listen_unix(record_.socket);
}

Result<void> Daemon::start_control() {
    record_.pid = ::getpid();
    record_.mountpoint = plan_.mountpoint;
    record_.started = format_time(machine_.clock.now());
    RF_TRY(Fd socket, make_control_socket());
    service_ = std::make_unique<StoreService>(
        plan_.store.path, *volume_, machine_.disk,
        ServedAs{.record = record_, .read_only = plan_.words.read_only},
        [this] { request_end("a stop request"); });
    control_ = ControlServer::start(
        std::move(socket), owner_.uid, [this](const Request& request, const Peer& peer) {
            return service_->answer(request, Caller{.uid = peer.uid,
                                                    .gid = peer.gid,
                                                    .pid = static_cast<std::uint32_t>(peer.pid)});
        });
    return lock_->describe_as(record_);
}

Result<void> Daemon::start_mount() {
    if (plan_.mountpoint.empty()) return done();
    fuse::MountOptions options = mount_options(plan_);
    const MountWords& words = plan_.words;
    if (!words.container.empty()) {
        auto container = volume_->tree().container(words.container);
        if (!container && container.error().code() == Errc::kNotFound)
            return Error(Errc::kNotFound,
                         fmt::format("there is no container \"{}\" to mount; reelfs container "
                                     "list --store '{}' shows those that exist",
                                     words.container, plan_.store.path));
        if (!container) return std::move(container).error();
        options.root = container->root;
    }
    RF_TRY(mount_,
           fuse::mount(volume_->tree(), machine_.clock, metrics_, options, keeper_.attachment()));
    mount_thread_ = std::thread([this] { serve_mount(); });
    return done();
}

void Daemon::serve_mount() noexcept {
    ::pthread_setname_np(::pthread_self(), "mount");
    try {
        if (auto served = mount_->serve(); !served) {
            log::error("the mount ended: {}", served.error().message());
            mount_failed_ = true;
        }
    } catch (const std::exception& problem) {
        log::error("the mount ended: {}", problem.what());
        mount_failed_ = true;
    }
    mount_ended_ = true;
    request_end("unmounted");
}

void Daemon::request_end(const char* why) {
    log::info("ending: {}", why);
    const std::uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(end_.get(), &one, sizeof one);
}

void Daemon::wait() {
    while (true) {
        pollfd waiting[] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                            {.fd = end_.get(), .events = POLLIN, .revents = 0}};
        if (::poll(waiting, 2, -1) < 0) continue;
        if (waiting[1].revents != 0) return;
        signalfd_siginfo signal{};
        if (::read(signals_.get(), &signal, sizeof signal) != sizeof signal) continue;
        if (signal.ssi_signo != SIGHUP) {
            log::info("ending: {} from process {}",
                      signal.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT", signal.ssi_pid);
            return;
        }
        reload();
    }
}

void Daemon::reload() {
    if (!plan_.log_path.empty()) {
        auto log = keeper_.open_log(plan_.log_path);
        const auto outcome = log ? redirect_output(*log) : std::move(log).error();
        log::info("SIGHUP: {}", outcome ? "log reopened" : outcome.error().message());
    }
    if (!plan_.words.access_log.empty()) {
        if (auto reopened = http_->reopen_access_log())
            log::info("SIGHUP: access log reopened");
        else
            log::error("SIGHUP: the access log goes on in its former file: {}",
                       reopened.error().message());
    }
    if (plan_.words.https.empty()) return;
    if (auto reloaded = http_->reload_tls())
        log::info("SIGHUP: certificate reloaded");
    else
        log::error("SIGHUP: the former certificate stays in use: {}", reloaded.error().message());
}

void Daemon::release_mount(StopWatch& watch) {
    if (!mount_) return;
    watch.waiting_for("release of the mount at " + plan_.mountpoint, kMountReleaseMs);
    if (!mount_ended_) {
        if (auto gone = mount_->unmount(false); !gone) {
            // Asked to end while in use: detach it, so that nothing new begins, and end.
            const auto holders = holders_of(plan_.mountpoint, kHoldersNamed);  // of our own user
            log::warning("{}{}{}", gone.error().message(),
                         holders.empty() ? "" : "; in use by: ", fmt::join(holders, ", "));
            if (auto lazily = mount_->unmount(true); !lazily)
                log::error("{}", lazily.error().message());
        }
    }
    if (mount_thread_.joinable()) mount_thread_.join();
    mount_.reset();
}

Result<void> Daemon::take_down() {
    if (taken_down_) return done();
    taken_down_ = true;
    if (lock_ && control_) {  // described, so somebody may wait for us
        record_.pid = ::getpid();
        record_.stopping = true;
        if (auto told = lock_->describe_as(record_); !told)
            log::warning("{}", told.error().message());
    }
    StopWatch watch;
    if (http_) {
        watch.waiting_for("responses in flight", kHttpStopMs);
        http_->stop(kHttpGraceMs);
        http_.reset();
        authenticator_.reset();
    }
    if (service_) {  // before the mount: a job may have files of it open
        watch.waiting_for("the job in hand", kJobStopMs);
        service_->stop_jobs();
    }
    release_mount(watch);
    if (control_) {
        watch.waiting_for("the control socket", 0);
        control_.reset();
        if (record_.socket == plan_.control_socket)
            keeper_.remove_control_socket();
        else
            ::unlink(record_.socket.c_str());
    }
    Result<void> closed;
    if (volume_) {
        watch.waiting_for("closing the store: writing and syncing what is left", 0);
        closed = volume_->close();
        if (!closed) log::error("close the store: {}", closed.error().message());
        volume_.reset();
    }
    lock_.reset();
    return closed;
}

Exit Daemon::stop() {
    notify_service_manager("STOPPING=1");
    auto closed = take_down();
    log::info("stopped");
    return closed && !mount_failed_ ? Exit::kOk : Exit::kFailed;
}

std::string Daemon::announcement() const {
    if (plan_.json)
        return dump_json({{"store", plan_.store.path},
                          {"id", plan_.store.id.hex()},
                          {"pid", record_.pid},
                          {"mountpoint", record_.mountpoint},
                          {"http", record_.http},
                          {"url", url_of(record_.http)},
                          {"https", record_.https},
                          {"admin", record_.admin},
                          {"socket", record_.socket},
                          {"log", plan_.log_path}});
    std::string text = plan_.mountpoint.empty()
                           ? fmt::format("serving {}", plan_.store.path)
                           : fmt::format("mounted {} at {}", plan_.store.path, plan_.mountpoint);
    if (!record_.http.empty()) text += "\nHTTP:  " + url_of(record_.http);
    if (!record_.https.empty()) text += "\nHTTPS: " + url_of(record_.https, "https");
    if (!record_.admin.empty()) text += "\nadmin: " + url_of(record_.admin);
    return text;
}

}  // namespace

namespace {
/// Memory is bounded by configuration, so the allocator must give back what is freed instead of
/// keeping it in an arena for each thread.
void bound_allocator() {
    ::mallopt(M_ARENA_MAX, 4);
    ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    ::mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
    ::mallopt(M_TOP_PAD, 1024 * 1024);  // fewer, larger steps as the caches fill
}
}  // namespace

namespace {

/// Whose rights are used from here on: as root the store owner's, else one's own.
Result<Identity> choose_identity(const DaemonPlan& plan) {
    if (::geteuid() != 0) return Identity{::geteuid(), ::getegid()};
    return owner_of(plan.store.path);
}

void tell_of_root(const DaemonPlan& plan, Launch& launch) {
    const std::string line = fmt::format(
        "store {0} belongs to root, so its daemon is root too, if without capabilities; to give "
        "it to a user of its own, unmount it and run: chown -R {1}: '{0}' (and its zones)",
        plan.store.path, kSystemUser);
    log::warning("{}", line);
    if (!plan.quiet) launch.warn(line);
}

}  // namespace

Exit run_daemon(Machine& machine, const DaemonPlan& plan, crypto::Unlock unlock, Launch& launch) {
    const auto failed = [&launch](const Error& error) {
        log::error("not started: {}", error.message());
        return launch.failed(error);
    };
    bound_allocator();
    auto owner = choose_identity(plan);
    if (!owner) return failed(owner.error());
    auto duties = duties_of(plan, *owner);
    if (!duties) return failed(duties.error());
    auto keeper = Keeper::start(std::move(*duties), [&unlock] { forget(unlock); });
    if (!keeper) return failed(keeper.error());
    harden_process();
    if (auto given_up = give_up_rights(*owner); !given_up) return failed(given_up.error());
    if (owner->uid == 0) tell_of_root(plan, launch);
    Daemon daemon(machine, plan, **keeper, *owner, launch);
    if (auto started = daemon.start(std::move(unlock)); !started) return failed(started.error());
    log::info("store {} is served{}{}", plan.store.id.hex(),
              plan.mountpoint.empty() ? "" : ", mounted at ", plan.mountpoint);
    if (!plan.quiet) launch.say(daemon.announcement());
    if (launch.ready())
        daemon.wait();
    else
        log::warning("ending: whoever started the daemon went away before it was usable");
    return daemon.stop();
}

}  // namespace reelfs::app
