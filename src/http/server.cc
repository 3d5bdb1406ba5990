// The server: listeners, network threads, stopping. Connections are given to the network threads in
// turn by whoever accepts, so that one accept order exists per listener.
//
// Threads: `network_threads` loops; the first also accepts. stop() may be called from any thread
// but these.
#include "reelfs/http/server.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "http/admission.h"
#include "http/connection.h"
#include "http/http_date.h"
#include "http/response.h"
#include "http/server_limits.h"
#include "http/server_state.h"
#include "reelfs/base/log.h"

namespace reelfs::http {

namespace {

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using boost::system::error_code;

asio::ip::address address_of(const Endpoint& endpoint) {
    error_code error;
    const auto literal = asio::ip::make_address(endpoint.address, error);
    return error ? asio::ip::address(asio::ip::address_v4::loopback()) : literal;
}

IpAddress ip_address_of(const asio::ip::address& address) {
    return address.is_v4() ? IpAddress::of_v4(address.to_v4().to_bytes())
                           : IpAddress::of_v6(address.to_v6().to_bytes());
}

asio::ip::tcp protocol_of(const Endpoint& endpoint) {
    return address_of(endpoint).is_v6() ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
}

std::string text_of(const Endpoint& endpoint) {
    if (endpoint.address.find(':') != std::string::npos)
        return fmt::format("[{}]:{}", endpoint.address, endpoint.port);
    return fmt::format("{}:{}", endpoint.address, endpoint.port);
}

Error error_of(const error_code& error, std::string_view what) {
    if (error == asio::error::address_in_use)
        return Error(Errc::kBusy, fmt::format("{}: the address is taken", what));
    return Error::from_errno(error.value(), what);
}

/// A listening socket; takes connections and hands them out.
struct Listener {
    explicit Listener(Loop& loop) : acceptor(loop.io), pause(loop.io) {}
    Acceptor acceptor;
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        pause;
    Connection::Door door = Connection::Door::kPublic;
    const TlsContext* tls = nullptr;  // null: plain
    std::optional<Endpoint> bound;

    /// `listening` is bound to `endpoint`.
    Result<void> open(const Endpoint& endpoint, Fd listening) {
        const std::string what = "listen on " + http::text_of(endpoint);
        error_code error;
        acceptor.assign(protocol_of(endpoint), listening.get(), error);
        if (error) return error_of(error, what);
        listening.release();
        const auto local = acceptor.local_endpoint(error);
        if (error) return error_of(error, what);
        bound = Endpoint{local.address().to_string(), local.port()};
        return done();
    }
};

class AsioServer final : public Server {
  public:
    AsioServer(core::Tree& tree, const Clock& clock, Metrics& metrics, const ServerOptions& options,
               const ServerLimits& limits)
        : state_(tree, clock, metrics, options, limits) {
        for (unsigned i = 0; i < limits.network_threads; ++i)
            loops_.push_back(std::make_unique<Loop>());
    }
    ~AsioServer() override { stop(0); }

    Result<void> start() {
        if (state_.options.https) {
            RF_TRY(tls_, TlsContext::load(state_.options.tls, state_.options.read_file));
        }
        if (!state_.options.access_log.empty()) {
            RF_TRY(state_.access_log, AccessLog::open(state_.options.access_log,
                                                      state_.limits.access_log_queue_bytes_max,
                                                      state_.options.open_log));
        }
        RF_CHECK(listen(public_, state_.options.http, Connection::Door::kPublic));
        RF_CHECK(listen(secure_, state_.options.https, Connection::Door::kPublic));
        if (secure_) secure_->tls = tls_.get();
        RF_CHECK(listen(admin_, state_.options.admin, Connection::Door::kAdmin));
        for (auto& listener : {public_.get(), secure_.get(), admin_.get()})
            if (listener != nullptr)
                asio::co_spawn(loops_.front()->io, accept(*listener), asio::detached);
        for (auto& loop : loops_) {
            asio::co_spawn(loop->io, tick(*loop), asio::detached);
            loop->thread = std::thread([&io = loop->io] { io.run(); });
            ::pthread_setname_np(loop->thread.native_handle(), "http-net");
        }
        return done();
    }

    std::optional<Endpoint> http() const override {
        return public_ ? public_->bound : std::nullopt;
    }
    std::optional<Endpoint> https() const override {
        return secure_ ? secure_->bound : std::nullopt;
    }
    std::optional<Endpoint> admin() const override { return admin_ ? admin_->bound : std::nullopt; }

    Result<void> reload_tls() override { return tls_ ? tls_->reload() : done(); }

    Result<void> reopen_access_log() override {
        return state_.access_log ? state_.access_log->reopen() : done();
    }

    void stop(std::int64_t grace_ms) override {
        MutexLock lock(stop_mutex_);
        if (stopped_) return;
        stopped_ = true;
        state_.stopping = true;
        asio::post(loops_.front()->io, [this] {
            for (Listener* listener : {public_.get(), secure_.get(), admin_.get()}) {
                if (listener == nullptr) continue;
                error_code ignored;
                listener->acceptor.close(ignored);
                listener->pause.cancel();
            }
        });
        on_each([](Connection& connection) { connection.begin_stop(); });
        if (!state_.connections.wait_for_none(grace_ms)) {
            state_.budget.close();
            on_each([](Connection& connection) { connection.reset(); });
            state_.connections.wait_for_none();
        }
        for (auto& loop : loops_) {
            asio::post(loop->io, [&tick = loop->tick] { tick.cancel(); });
            loop->work.reset();
        }
        for (auto& loop : loops_)
            if (loop->thread.joinable()) loop->thread.join();
        give_up_challenges(state_, 0);
    }

  private:
    Result<void> listen(std::unique_ptr<Listener>& listener, const std::optional<Endpoint>& where,
                        Connection::Door door) {
        if (!where) return done();
        listener = std::make_unique<Listener>(*loops_.front());
        listener->door = door;
        RF_TRY(Fd listening, state_.options.bind(*where));
        return listener->open(*where, std::move(listening));
    }

    void on_each(void (*act)(Connection&)) {
        for (auto& loop : loops_) {
            asio::post(loop->io, [&loop = *loop, act] {
                for (Connection* connection : loop.connections) act(*connection);
            });
        }
    }

    Async<void> accept(Listener& listener) {
        while (!state_.stopping) {
            Loop& loop = *loops_[next_loop_++ % loops_.size()];
            auto [error, socket] = co_await listener.acceptor.async_accept(loop.io, kAwaitTuple);
            if (state_.stopping) break;
            if (!error) {
                adopt(std::move(socket), loop, listener);
            } else if (error != asio::error::connection_aborted) {
                // Out of descriptors or memory: connections wait in the backlog meanwhile.
                log::warning("http: accept: {}", error.message());
                listener.pause.expires_after(std::chrono::milliseconds(100));
                co_await listener.pause.async_wait(kAwaitTuple);
            }
        }
    }

    /// A place for a connection, in all and of its client. A trusted proxy's clients are counted
    /// by their requests; the admin listener's must not be kept out by others.
    std::optional<Peer> admit(const Socket& socket, const Listener& listener) {
        error_code error;
        const auto remote = socket.remote_endpoint(error);
        if (error) return std::nullopt;  // it has gone already
        Peer peer{ip_address_of(remote.address()), {}};
        const bool counted = listener.door == Connection::Door::kPublic &&
                             !is_in(state_.options.trusted_proxies, peer.address);
        if (counted) {
            auto place = state_.clients.try_enter(peer.address);
            if (!place) return std::nullopt;
            peer.place = *std::move(place);
        }
        if (!state_.connections.try_enter()) return std::nullopt;
        return peer;
    }

    std::string turned_away() {
        const Response response = error_response(503, "too many connections; try again");
        const std::string date = format_http_date(state_.clock.now().seconds());
        const std::string request_id = state_.next_request_id();
        return render_head(response, {.date = date,
                                      .request_id = request_id,
                                      .minor_version = 1,
                                      .keep_alive = false}) +
               response.text;
    }

    /// Counts it, then starts it on its own thread.
    void adopt(Socket socket, Loop& loop, const Listener& listener) {
        error_code ignored;
        ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        socket.non_blocking(true, ignored);
        socket.set_option(asio::ip::tcp::no_delay(true), ignored);
        auto peer = admit(socket, listener);
        if (!peer) {
            state_.peer_faults.note(PeerFault::kTurnedAway);
            if (listener.tls == nullptr) socket.write_some(asio::buffer(turned_away()), ignored);
            return;
        }
        std::unique_ptr<TlsSession> tls;
        if (listener.tls != nullptr) tls = listener.tls->session(socket.native_handle());
        const std::uint64_t ticket = state_.tree.draw_ticket();
        asio::post(loop.io, [this, &loop, door = listener.door, ticket, from = *std::move(peer),
                             taken = Stream(std::move(socket), std::move(tls))]() mutable {
            auto connection = std::make_shared<Connection>(std::move(taken), loop, state_, door,
                                                           std::move(from), ticket);
            if (!state_.stopping) connection->start();
        });
    }

    void report_faults(std::int64_t now_ns) {
        const std::string report =
            state_.peer_faults.take_report(now_ns, limits::http_fault_report_ms);
        if (!report.empty()) log::warning("http: since the last such line: {}", report);
    }

    Async<void> tick(Loop& loop) {
        while (!state_.stopping || !loop.connections.empty()) {
            loop.tick.expires_after(std::chrono::milliseconds(state_.limits.tick_ms));
            co_await loop.tick.async_wait(kAwaitTuple);
            const std::int64_t now = state_.clock.monotonic_ns();
            for (Connection* connection : loop.connections) connection->tick(now);
            give_up_challenges(state_, state_.limits.challenge_ms);
            if (&loop == loops_.front().get()) report_faults(now);
        }
    }

    ServerState state_;
    std::vector<std::unique_ptr<Loop>> loops_;
    std::unique_ptr<TlsContext> tls_;
    std::unique_ptr<Listener> public_;
    std::unique_ptr<Listener> secure_;
    std::unique_ptr<Listener> admin_;
    std::size_t next_loop_ = 0;  // the first loop's thread only
    Mutex stop_mutex_;
    bool stopped_ GUARDED_BY(stop_mutex_) = false;
};

}  // namespace

Result<Fd> bind_endpoint(const Endpoint& endpoint) {
    const asio::ip::tcp::endpoint address(address_of(endpoint), endpoint.port);
    const std::string what = "listen on " + text_of(endpoint);
    Fd socket(::socket(address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, what);
    const int yes = 1;
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(socket.get(), address.data(), static_cast<socklen_t>(address.size())) != 0 ||
        ::listen(socket.get(), limits::http_backlog) != 0)
        return error_of(error_code(errno, boost::system::system_category()), what);
    return socket;
}

Result<std::unique_ptr<Server>> start_limited_server(core::Tree& tree, const Clock& clock,
                                                     Metrics& metrics, const ServerOptions& options,
                                                     const ServerLimits& limits) {
    for (const auto& endpoint : {options.http, options.https})
        if (endpoint && !is_loopback(*endpoint) && options.authenticator == nullptr)
            return Error(Errc::kInvalid,
                         "listen on " + text_of(*endpoint) +
                             ": this address is reachable from other machines, and nobody would be "
                             "authenticated; bind to a loopback address (127.0.0.1, [::1])");
    if (options.admin && !is_loopback(*options.admin) && options.admin_token.empty())
        return Error(Errc::kInvalid,
                     "--admin " + text_of(*options.admin) +
                         ": this address is reachable from other machines; protect it by "
                         "--admin-token-file, or bind to a loopback address (127.0.0.1, [::1])");
    auto server = std::make_unique<AsioServer>(tree, clock, metrics, options, limits);
    RF_CHECK(server->start());
    return std::unique_ptr<Server>(std::move(server));
}

Result<std::unique_ptr<Server>> start_server(core::Tree& tree, const Clock& clock, Metrics& metrics,
                                             const ServerOptions& options) {
    return start_limited_server(tree, clock, metrics, options, ServerLimits{});
}

}  // namespace reelfs::http
