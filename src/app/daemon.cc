#include "app/daemon.h"

#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "app/control_server.h"
#include "app/http_options.h"
#include "app/mount_table.h"
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
constexpr std::size_t kHoldersNamed = 5;

std::string text_of_endpoint(const http::Endpoint& endpoint) {
    const bool v6 =
        endpoint.address.find(':') != std::string::npos && !endpoint.address.starts_with('[');
    return v6 ? fmt::format("[{}]:{}", endpoint.address, endpoint.port)
              : fmt::format("{}:{}", endpoint.address, endpoint.port);
}

unsigned owner_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_uid : ::geteuid();
}

/// The runtime directory where there is one that works, else STORE/run.
Result<std::string> choose_socket_path(const StoreName& store) {
    const std::string name = store.id.hex() + ".sock";
    if (auto directory = runtime_directory(current_person())) {
        auto made = make_private_directories(*directory);
        if (made && ::access(directory->c_str(), W_OK) == 0) return *directory + "/" + name;
    }
    RF_CHECK(make_private_directories(store.path + "/run"));
    return store.path + "/run/" + name;
}

class Daemon {
  public:
    Daemon(Machine& machine, const DaemonPlan& plan, Launch& launch)
        : machine_(machine), plan_(plan), launch_(launch) {}
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
    RF_TRY(volume_, core::open_store(machine_.environment(), options));
    for (const crypto::Zone& zone : volume_->zones()) {
        // Zones are known only now; their key places could not be checked before.
        RF_CHECK(check_key_place(plan_.words.key_file.empty()
                                     ? default_key_file(current_person(), plan_.store.id)
                                     : plan_.words.key_file,
                                 {zone.path}));
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
    options.degraded = [this] { return volume_->degraded(); };
    options.extra_metrics = [] { return process_metrics(); };
    authenticator_ =
        http::make_authenticator(volume_->accounts(), machine_.clock, plan_.words.region);
    options.authenticator = authenticator_.get();
    RF_TRY(http_, http::start_server(volume_->tree(), machine_.clock, metrics_, options));
    if (auto bound = http_->http()) record_.http = text_of_endpoint(*bound);
    if (auto bound = http_->https()) record_.https = text_of_endpoint(*bound);
    if (auto bound = http_->admin()) record_.admin = text_of_endpoint(*bound);
    return done();
}

Result<void> Daemon::start_control() {
    record_.pid = ::getpid();
    record_.mountpoint = plan_.mountpoint;
    record_.started = format_time(machine_.clock.now());
    RF_TRY(record_.socket, choose_socket_path(plan_.store));
    service_ = std::make_unique<StoreService>(
        plan_.store.path, *volume_, machine_.disk,
        ServedAs{.record = record_, .read_only = plan_.words.read_only},
        [this] { request_end("a stop request"); });
    RF_TRY(control_, ControlServer::start(
                         record_.socket, owner_of(plan_.store.path),
                         [this](const Request& request, const Peer& peer) {
                             return service_->answer(
                                 request, Caller{.uid = peer.uid,
                                                 .gid = peer.gid,
                                                 .pid = static_cast<std::uint32_t>(peer.pid)});
                         }));
    return lock_->describe_as(record_);
}

Result<void> Daemon::start_mount() {
    if (plan_.mountpoint.empty()) return done();
    const MountWords& words = plan_.words;
    fuse::MountOptions options{.mountpoint = plan_.mountpoint,
                               .source = plan_.store.path,
                               .read_only = words.read_only,
                               .allow_other = words.allow_other,
                               .default_permissions = words.default_permissions,
                               .nosuid = words.nosuid,
                               .nodev = words.nodev,
                               .noexec = words.noexec,
                               .acl = words.acl,
                               .other = words.other};
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
    RF_TRY(mount_, fuse::mount(volume_->tree(), machine_.clock, metrics_, options));
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
        auto reopened = redirect_output(plan_.log_path);
        log::info("SIGHUP: {}", reopened ? "log reopened" : reopened.error().message());
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
            log::warning("{}; in use by: {}", gone.error().message(),
                         fmt::join(holders_of(plan_.mountpoint, kHoldersNamed), ", "));
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
    release_mount(watch);
    if (control_) {
        watch.waiting_for("the control socket", 0);
        control_.reset();
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

Exit run_daemon(Machine& machine, const DaemonPlan& plan, crypto::Unlock unlock, Launch& launch) {
    bound_allocator();
    harden_process();
    Daemon daemon(machine, plan, launch);
    if (auto started = daemon.start(std::move(unlock)); !started) {
        log::error("not started: {}", started.error().message());
        return launch.failed(started.error());
    }
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
