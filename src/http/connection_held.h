// A connection's held requests: a GET that waits for what it asks for (held_request.h says for
// what). The fourth part of connection.cc, apart for the reader's sake only.
//
// A held request is this suspended coroutine and a watch on a name; no thread waits with it. It has
// been authorised before it waits, and is so again at each look. A read is pending meanwhile, so
// that a peer who leaves is noticed.
#pragma once

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>
#include <utility>

#include "http/connection.h"

namespace reelfs::http {

/// One of the server's held requests, for as long as it lives; none beyond the limit.
class HeldPlace {
  public:
    explicit HeldPlace(ServerState& state) : state_(state) {
        taken_ = state_.held.fetch_add(1) < state_.limits.held_max;
    }
    ~HeldPlace() { --state_.held; }
    HeldPlace(const HeldPlace&) = delete;
    HeldPlace& operator=(const HeldPlace&) = delete;
    explicit operator bool() const { return taken_; }

  private:
    ServerState& state_;
    bool taken_ = false;
};

inline Async<Response> Connection::answer_held(std::optional<HlsPosition> position) {
    const std::int64_t started = now_ns();
    HeldRequest held(state_, head_, object_, position);
    woken_ = false;
    if (!held.look_cached()) {
        if (!start_on_pool(
                task_, [&, wake = waker()] { held.look(wake); }, true))
            co_return error_response(503, "too many requests wait; try again");
        co_await wait_for(task_);
    }
    if (!held.settled()) {
        const HeldPlace place(state_);
        if (!place) {
            held.stop();
            co_return error_response(503, "too many requests wait; try again");
        }
        watch_wanted_ = true;
        watch();
        while (!held.settled()) {
            const bool changed = co_await wait_held(held, started);
            if (!changed) break;
            woken_ = false;
            if (held.look_cached()) break;
            start_on_pool(
                task_, [&, wake = waker()] { held.look(wake); }, false);
            co_await wait_for(task_);
        }
        co_await stop_watching();
    }
    held.stop();
    if (!held.settled()) {
        if (position || stopping_)
            co_return error_response(503, "what the request waits for did not come in time");
        co_return std::move(object_.response);  // what was to be said when it was not there
    }
    if (!object_.read_first_cached()) {
        start_on_pool(
            task_, [this] { object_.read_first(state_, head_); }, false);
        co_await wait_for(task_);
    }
    co_return std::move(object_.response);
}

/// Sleeps until another look may find more. False: its time is over, the peer has gone, or the
/// server stops.
inline Async<bool> Connection::wait_held(const HeldRequest& held, std::int64_t started_ns) {
    const std::int64_t left_ns = started_ns + held.hold_ms() * 1'000'000 - now_ns();
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer(loop_.io);
    // The timer may fire after we have gone on: it tells by something of its own.
    const auto late = std::make_shared<bool>(false);
    timer.expires_after(std::chrono::nanoseconds(std::max<std::int64_t>(left_ns, 0)));
    timer.async_wait([self = shared_from_this(), late](boost::system::error_code error) {
        if (error) return;
        *late = true;
        self->event_.resume();
    });
    enter(Phase::kHeld, 0);
    while (!woken_ && !*late && !gone_ && !dead_ && !stopping_) co_await event_.wait();
    timer.cancel();
    enter(Phase::kServing, 0);
    co_return woken_ && !gone_ && !dead_ && !stopping_;
}

}  // namespace reelfs::http
