// A connection's requests: reading heads, deciding who answers, keeping alive, closing. How the
// answers get onto the socket is in connection_body.h, which only this file includes (so that Asio
// is instantiated here and in server.cc only). See connection.h for the states and the threads.
#include "http/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "http/admission.h"
#include "http/chunked.h"
#include "http/client.h"
#include "http/connection_body.h"
#include "http/connection_held.h"
#include "http/connection_upload.h"
#include "http/cors_response.h"
#include "http/host.h"
#include "http/item_request.h"
#include "http/own_resources.h"
#include "http/target.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

constexpr std::size_t kReadBytes = 2 * limits::KiB;
constexpr std::string_view kAllowedOnAdmin = "GET, HEAD";
constexpr std::string_view kAllowed = "GET, HEAD, OPTIONS";
constexpr std::string_view kAllowedOnObjects = "GET, HEAD, PUT, POST, DELETE, OPTIONS";

Response method_not_allowed(std::string_view allowed) {
    Response response = error_response(405, fmt::format("the methods here are {}", allowed));
    response.add("Allow", allowed);
    return response;
}

}  // namespace

Connection::Connection(Stream socket, Loop& loop, ServerState& state, Door door, Peer peer,
                       std::uint64_t ticket)
    : socket_(std::move(socket)),
      loop_(loop),
      state_(state),
      door_(door),
      peer_(std::move(peer)),
      ticket_(ticket),
      pace_(0, 0, 0) {
    task_.connection = this;
    loop_.connections.insert(this);
}

Connection::~Connection() {
    drop_ticket();
    loop_.connections.erase(this);
    boost::system::error_code ignored;
    socket_.close(ignored);
    state_.connections.leave();
}

void Connection::drop_ticket() {
    if (const auto unused = std::exchange(ticket_, std::nullopt)) state_.tree.drop_ticket(*unused);
}

void Connection::start() {
    auto self = shared_from_this();
    asio::co_spawn(
        loop_.io, [self]() -> Async<void> { return self->run(); },
        [self](std::exception_ptr thrown) {
            if (!thrown) return;
            self->reset();
            log::error("http: a connection ended by an exception");
        });
}

void Connection::enter(Phase phase, std::int64_t deadline_after_ms) {
    phase_ = phase;
    deadline_ns_ = deadline_after_ms == 0 ? 0 : now_ns() + deadline_after_ms * 1'000'000;
}

/// A long response keeps on the disk what it reads, and nothing else.
void Connection::renew_object(std::int64_t now_ns) {
    if (sent_object_->renew()) {
        replaced_ns_.reset();
        return;
    }
    if (!replaced_ns_) replaced_ns_ = now_ns;
    if (now_ns - *replaced_ns_ >= state_.limits.replaced_ms * 1'000'000)
        fail("what it sends was replaced too long ago");
}

void Connection::tick(std::int64_t now_ns) {
    if (dead_) return;
    if (sent_object_ != nullptr) {
        renew_object(now_ns);
        if (dead_) return;
    }
    if (phase_ == Phase::kWriting) {
        if (pace_.is_stalled(now_ns, acknowledged())) {
            state_.peer_faults.note(PeerFault::kSlowReader);
            return fail("the peer takes too little");
        }
        const bool idle = now_ns - write_blocked_ns_ >= state_.limits.shed_ms * 1'000'000;
        if (may_shed_ && !shed_asked_ && idle && state_.budget.contended()) {
            shed_asked_ = true;
            socket_.cancel();
        }
        return;
    }
    if (deadline_ns_ == 0 || now_ns < deadline_ns_) return;
    if (phase_ == Phase::kFollowing) return fail("nothing was written to the file for too long");
    expired_ = true;
    socket_.cancel();
}

void Connection::begin_stop() {
    stopping_ = true;
    if (dead_) return;
    if (phase_ == Phase::kHeld) {  // not at once: it may end while all connections are looked at
        asio::post(loop_.io, [self = shared_from_this()] { self->event_.resume(); });
        return;
    }
    if (watch_wanted_) return fail("the server stops");
    if (phase_ == Phase::kIdle || phase_ == Phase::kHead) socket_.cancel();
}

void Connection::reset() {
    if (std::exchange(dead_, true)) return;
    boost::system::error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
    asio::post(loop_.io, [self = shared_from_this()] { self->event_.resume(); });
}

void Connection::fail(std::string_view why) {
    log::debug("http: a response is cut: {}", why);
    failed_ = true;
    reset();
}

Async<void> Connection::run() {
    // gcc 12 miscompiles co_await in a loop's condition: here and below it stands in a statement.
    enter(Phase::kHead, state_.limits.head_ms);
    const bool met = co_await socket_.handshake();
    bool more = false;
    if (met && !expired_ && !stopping_) more = co_await read_head();
    while (more) {
        co_await serve();
        if (!keep_alive_ || dead_) break;
        more = co_await read_head();
    }
    if (!dead_) co_await close();
    dead_ = true;
}

Async<bool> Connection::read_some() {
    const auto room = input_.prepare(kReadBytes);
    auto [error, n] =
        co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), kAwaitTuple);
    if (error || dead_) co_return false;
    input_.commit(n);
    co_return !expired_;
}

/// True: head_ is the next request. False: there is none; what had to be said has been.
Async<bool> Connection::read_head() {
    enter(Phase::kIdle, state_.limits.idle_ms);
    if (input_.size() == 0) input_.shrink(kReadBytes);
    if (head_text_.capacity() > 2 * kReadBytes) std::string().swap(head_text_);
    std::size_t scanned = 0;
    bool skipped_line = false;
    while (true) {
        // A peer may send one empty line before a request (RFC 9112 section 2.2).
        if (!skipped_line && input_.view().starts_with("\r\n")) {
            input_.consume(2);
            skipped_line = true;
        }
        const std::string_view seen = input_.view();
        const HeadExtent extent = seen == "\r" ? HeadExtent{} : find_head(seen, scanned);
        if (extent.refusal) {
            state_.peer_faults.note(PeerFault::kBadHead);
            co_await refuse(*extent.refusal);
            co_return false;
        }
        if (extent.length > 0) {
            head_text_.assign(seen.substr(0, extent.length));
            input_.consume(extent.length);
            break;
        }
        scanned = seen.size();
        if (scanned > 0 && phase_ == Phase::kIdle) enter(Phase::kHead, state_.limits.head_ms);
        if (stopping_) co_return false;
        // Nothing here from the connection's first request: what came later need not wait for it.
        if (ticket_ && scanned == 0) {
            if (read_now()) continue;
            state_.tree.await_ticket(*ticket_);
        }
        const bool more = co_await read_some();
        if (!more) {
            if (expired_ && !dead_ && phase_ == Phase::kHead) {
                expired_ = false;
                state_.peer_faults.note(PeerFault::kSlowHead);
                co_await refuse({408, "the request's head took too long"});
            }
            co_return false;
        }
    }
    enter(Phase::kServing, 0);
    if (const auto refusal = check_head(head_text_, head_)) {
        state_.peer_faults.note(PeerFault::kBadHead);
        co_await refuse(*refusal);
        co_return false;
    }
    co_return true;
}

Async<void> Connection::refuse(Refusal refusal) {
    const std::int64_t started = now_ns();
    enter(Phase::kServing, 0);
    head_.minor_version = 1;
    keep_alive_ = false;
    lingers_ = true;
    Response response = error_response(refusal.status, refusal.reason);
    co_await send(response);
    state_.other.record(now_ns() - started, 0, true);
}

Async<void> Connection::serve() {
    const std::int64_t started = now_ns();
    exchange_ = {};
    exchange_.received_ns = exchange_.complete_ns = started;
    exchange_.received = state_.clock.now();
    meter_ = &state_.other;
    // The connection's first request has the acceptor's ticket, in the order of the connections.
    if (!head_.has_body() && head_.method != "DELETE") drop_ticket();
    body_sent_ = 0;
    failed_ = false;
    body_pending_ = head_.has_body();
    Response response = co_await answer();

    // A body nobody asked for is read away only when it is short and on its way.
    const bool drains = !head_.has("expect") &&
                        head_.content_length.value_or(0) <= limits::http_body_drain_bytes_max;
    const bool closes_body =
        !response.has_length && !response.head_only && !is_chunked(response, head_.minor_version);
    keep_alive_ = head_.keep_alive && !stopping_ && !closes_body && (!body_pending_ || drains);
    drop_ticket();
    const bool server_fault = response.status >= 500;
    co_await send(response);
    meter_->record(now_ns() - started, body_sent_, !failed_ && !server_fault);
    object_ = {};
    if (!dead_ && body_pending_) {
        if (keep_alive_) keep_alive_ = co_await drain_body();
        lingers_ = !keep_alive_;
    }
    note_access(response);
    place_ = {};
}

/// One line for each request on data.
void Connection::note_access(const Response& response) {
    if (state_.access_log == nullptr || exchange_.operation.empty()) return;
    const Ending ending{.ns = sent_ns_, .bytes_sent = body_sent_, .cut = dead_, .ours = failed_};
    state_.access_log->write(
        access_line(record_of(exchange_, who_, response, ending, state_.options.account)));
}

Async<Response> Connection::answer() {
    const bool is_head = head_.method == "HEAD";
    auto target = parse_target(head_.target);
    Response response;
    if (!target) {
        response = error_response(400, target.error().message());
    } else if (door_ == Door::kPublic) {
        response = co_await answer_public(*target);
    } else if (is_head || head_.method == "GET") {
        response = co_await answer_on_admin(std::move(target->segments));
    } else {
        response = method_not_allowed(kAllowedOnAdmin);
    }
    response.head_only = response.head_only || is_head;
    co_return response;
}

Route Connection::route_of(Target& target) const {
    const auto label = endpoint_label(head_.host, state_.options.domain);
    if (!label) return route_public(std::move(target.segments));
    auto container = state_.tree.container_at(*label);
    if (container) return route_at_endpoint(*std::move(container), std::move(target.segments));
    return {.resource = Resource::kNoEndpoint, .container = *label, .path = {}, .by_host = true};
}

/// Preflights come without credentials, so they are answered before anybody is asked for some.
Async<Response> Connection::answer_public(Target& target) {
    if (!find_client()) co_return error_response(503, "too many requests of one client at once");
    Route route = route_of(target);
    const bool on_data =
        route.resource == Resource::kContainer || route.resource == Resource::kObject;
    if (on_data) exchange_.container = route.container;
    if (on_data && state_.access_log) exchange_.note(head_.method, target.query, route);
    Response response;
    if (head_.method == "OPTIONS") {
        response = answer_options(state_.tree, head_, route);
    } else if (identify(response)) {
        response = co_await answer_proved(target, std::move(route));
    }
    if (on_data && head_.method != "OPTIONS")
        add_cors(state_.tree, head_, exchange_.container, response);
    co_return response;
}

Async<Response> Connection::answer_proved(Target& target, Route route) {
    Response response;
    if (route.resource == Resource::kNoEndpoint)
        response = error_response(container_not_found(route.container));
    else if (head_.method == "HEAD" || head_.method == "GET")
        response = co_await answer_read(target, std::move(route));
    else
        response = co_await answer_write(target, std::move(route));
    co_return response;
}

Async<Response> Connection::answer_read(Target& target, Route route) {
    const bool is_head = head_.method == "HEAD";
    Response response;
    switch (route.resource) {
        case Resource::kObject:
            meter_ = is_head ? &state_.head_object : &state_.get_object;
            response = co_await answer_object(std::move(route), target.query);
            exchange_.expires = object_.expires;
            break;
        case Resource::kHealth:
            response = answer_health();
            break;
        case Resource::kTime:
            response = answer_time(state_.clock);
            break;
        case Resource::kContainer:
            response = co_await answer_container(std::move(route), target.query);
            break;
        case Resource::kRoot:
        case Resource::kUnknown:
        case Resource::kNoEndpoint:
            response = error_response(404, "there is nothing here");
            break;
    }
    co_return response;
}

/// Encoders PUT, or POST to the object's path; a POST with a query is neither.
Async<Response> Connection::answer_write(Target& target, Route route) {
    const bool puts = head_.method == "PUT" || (head_.method == "POST" && target.query.empty());
    const bool object = route.resource == Resource::kObject;
    Response response;
    if (object && puts) {
        response = co_await answer_upload(std::move(route));
    } else if (object && head_.method == "DELETE") {
        response = co_await answer_delete(std::move(route));
    } else if (route.resource == Resource::kRoot && head_.method == "POST") {
        response = answer_control();
    } else {
        response = method_not_allowed(object ? kAllowedOnObjects : kAllowed);
    }
    co_return response;
}

/// A folder is listed; HEAD knows objects only.
Async<Response> Connection::answer_container(Route route, std::string_view query) {
    if (head_.method == "HEAD") co_return error_response(404, "a folder is listed, not described");
    meter_ = &state_.list_items;
    Response response = error_response(500, "internal error");
    if (!start_on_pool(
            task_, [&] { response = list_items(state_, asker(), route, query); }, true))
        co_return error_response(503, "too many requests wait; try again");
    co_await wait_for(task_);
    co_return response;
}

Async<Response> Connection::answer_delete(Route route) {
    meter_ = &state_.delete_object;
    DeleteRequest request;
    request.route = std::move(route);
    request.ticket = take_ticket();
    if (!start_on_pool(
            task_, [&] { request.admit(state_, asker()); }, true))
        co_return error_response(503, "too many requests wait; try again");
    co_await wait_for(task_);
    if (!request.failure) {
        const TurnOf turn_of = [&](std::function<void()> wake) {
            return request.deletion->turn(std::move(wake));
        };
        co_await wait_turn(turn_of);
        start_on_pool(
            task_, [&] { request.commit(); }, false);
        co_await wait_for(task_);
    }
    co_return request.failure ? *std::move(request.failure) : Response{};
}

/// Whom the request comes from, and a place for it if a proxy brings it. False: there is none.
bool Connection::find_client() {
    exchange_.client =
        client_of(head_, peer_.address, socket_.secure(), state_.options.trusted_proxies);
    if (!exchange_.client.proxied) return true;  // its connection has one
    const IpAddress counted = exchange_.client.address.value_or(peer_.address);
    auto place = state_.clients.try_enter(counted);
    if (!place) {
        state_.peer_faults.note(PeerFault::kTurnedAway);
        return false;
    }
    place_ = *std::move(place);
    return true;
}

/// Once for each request: who sends it is in who_ from here on. False: it ends here, with
/// `response`.
bool Connection::identify(Response& response) {
    who_ = {};
    if (state_.options.authenticator != nullptr)
        who_ = state_.options.authenticator->authenticate(head_, asker().arrival);
    auto refused = refuse_proof(state_, head_, who_, asker().arrival);
    if (!refused) return true;
    response = *std::move(refused);
    return false;
}

Asker Connection::asker() const {
    const Client& client = exchange_.client;
    return {head_, who_, {.secure = client.secure, .peer_is_loopback = client.is_loopback()}};
}

void Connection::ask_as(Action action) {
    object_.access.principal = who_.principal;
    object_.access.action = action;
    object_.access.peer = {.peer_is_loopback = exchange_.client.is_loopback(),
                           .host_is_local = host_is_local(head_.host),
                           .forwarded = was_forwarded(head_)};
}

Async<Response> Connection::answer_object(Route route, std::string_view query) {
    object_.route = std::move(route);
    const bool is_head = head_.method == "HEAD";
    ask_as(is_head ? Action::kDescribeObject : Action::kGetObject);
    const auto position = asked_position(object_.route.path.back(), query);
    if (!position) co_return error_response(400, position.error().message());
    if (*position && !is_head) co_return co_await answer_held(**position);
    if (!object_.run_cached(state_, head_)) {
        if (!start_on_pool(
                task_, [this] { object_.run(state_, head_); }, true))
            co_return error_response(503, "too many requests wait; try again");
        co_await wait_for(task_);
    }
    if (!object_.found) {  // it threw
        object_ = {};
        co_return error_response(500, "internal error");
    }
    // Not there, or not so far: held where a delivery rule lets it wait.
    if (object_.hold_ms > 0 && !is_head) co_return co_await answer_held(std::nullopt);
    co_return std::move(object_.response);
}

Async<Response> Connection::answer_on_admin(Components segments) {
    if (auto refused = refuse_admin(head_, state_.options.admin_token))
        co_return *std::move(refused);
    Response response = error_response(500, "internal error");
    const AdminResource resource = route_admin(segments);
    if (!start_on_pool(
            task_, [&] { response = answer_admin(resource, state_); }, true))
        co_return error_response(503, "too many requests wait; try again");
    co_await wait_for(task_);
    co_return response;
}

/// False: its end was not reached within the limits.
Async<bool> Connection::drain_body() {
    enter(Phase::kHead, state_.limits.head_ms);
    std::uint64_t left = head_.content_length.value_or(limits::http_body_drain_bytes_max);
    ChunkedDecoder chunks;
    while (true) {
        if (!head_.chunked) {
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, input_.size()));
            input_.consume(n);
            exchange_.bytes_received += n;
            left -= n;
            if (left == 0) break;
        } else {
            const ChunkedDecoder::Step step = chunks.feed(input_.view());
            const std::size_t data = step.data.size();
            input_.consume(step.consumed);
            if (chunks.state() == ChunkedDecoder::State::kDone) break;
            if (chunks.state() == ChunkedDecoder::State::kMalformed)
                state_.peer_faults.note(PeerFault::kBadBody);
            if (chunks.state() == ChunkedDecoder::State::kMalformed || data > left) co_return false;
            exchange_.bytes_received += data;
            left -= data;
            if (step.consumed > 0) continue;
        }
        if (stopping_) co_return false;
        const bool more = co_await read_some();
        if (!more) co_return false;
    }
    body_pending_ = false;
    co_return true;
}

/// Ends in order. When the peer may still be sending, a plain close would answer it with a reset
/// that can destroy the response on its way: so our half is closed, and the rest read away.
Async<void> Connection::close() {
    boost::system::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    if (lingers_ && !ignored) {
        enter(Phase::kClosing, state_.limits.linger_ms);
        expired_ = false;
        input_.consume(input_.size());
        bool more = co_await read_some();
        while (more) {
            input_.consume(input_.size());
            more = co_await read_some();
        }
    }
    socket_.close(ignored);
}

bool Connection::start_on_pool(PoolTask& task, std::function<void()> work, bool refusable) {
    task.work = std::move(work);
    task.busy = true;
    if (!refusable) {
        state_.pool.post(task);
        return true;
    }
    task.busy = state_.pool.try_post(task);
    return task.busy;
}

Async<void> Connection::wait_for(PoolTask& task) {
    while (task.busy) co_await event_.wait();
}

void Connection::PoolTask::run() noexcept {
    try {
        work();
    } catch (const std::exception& thrown) {
        log::error("http: a request ended by an exception: {}", thrown.what());
    }
    // The connection waits for `busy`, so it is there until this has run.
    asio::post(connection->loop_.io, [this] {
        busy = false;
        connection->event_.resume();
    });
}

}  // namespace reelfs::http
