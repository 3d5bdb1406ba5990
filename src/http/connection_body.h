// A connection's responses on their way out: heads, windows of objects with one read ahead, and
// growing files as they grow. The second half of connection.cc, apart for the reader's sake only.
//
// Rules: a window is taken from the budget before its bytes are read, and never waited for while
// another is held. A response that cannot be completed ends in a reset, never in a FIN: a peer or a
// cache between must not take the part for the whole.
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <span>
#include <utility>

#include "http/connection.h"
#include "http/http_date.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

inline std::string_view Loop::date_of(Timestamp now) {
    if (now.seconds() != date_second) {
        date_second = now.seconds();
        date = format_http_date(date_second);
    }
    return date;
}

inline Async<void> Event::wait() {
    if (!resumed_) {
        co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
            [this](auto handler) {
                using Handler = decltype(handler);
                struct Typed final : Waiter {
                    explicit Typed(Handler taken) : handler_(std::move(taken)) {}
                    void resume() override { std::move(handler_)(); }
                    Handler handler_;
                };
                waiter_ = std::make_unique<Typed>(std::move(handler));
            },
            asio::use_awaitable_t<Executor>());
    }
    resumed_ = false;
}

inline void Event::resume() {
    resumed_ = true;
    if (const auto waiter = std::move(waiter_)) waiter->resume();
}

/// Bytes of this connection that the peer's kernel has: not those in our socket's buffer.
inline std::uint64_t Connection::acknowledged() {
    int queued = 0;
    if (::ioctl(socket_.native_handle(), SIOCOUTQ, &queued) != 0) return sent_total_;
    return sent_total_ - std::min<std::uint64_t>(sent_total_, static_cast<std::uint64_t>(queued));
}

inline Async<void> Connection::send(Response& response) {
    pace_ = Pace(state_.limits.stall_ms * 1'000'000,
                 limits::http_stall_bytes_per_second *
                     static_cast<std::uint64_t>(state_.limits.stall_ms) / 1'000,
                 acknowledged());
    exchange_.request_id = state_.next_request_id();
    exchange_.answered_ns = now_ns();
    std::string head = render_head(response, {.date = loop_.date_of(state_.clock.now()),
                                              .request_id = exchange_.request_id,
                                              .minor_version = head_.minor_version,
                                              .keep_alive = keep_alive_});
    sent_object_ = object_.reader.get();
    replaced_ns_.reset();
    if (response.head_only) {
        co_await send_text(head, {});
    } else if (response.follow_from) {
        meter_ = &state_.follow_object;
        co_await follow(std::move(head), *response.follow_from,
                        is_chunked(response, head_.minor_version));
    } else if (!response.parts.empty()) {
        co_await send_parts(std::move(head), response);
    } else {
        const bool sent = co_await send_text(head, response.text);
        if (sent) body_sent_ = response.text.size();
    }
    sent_object_ = nullptr;
    sent_ns_ = now_ns();
    enter(Phase::kServing, 0);
}

inline Async<bool> Connection::send_text(std::string_view text, std::string_view more) {
    std::size_t sent = 0;
    may_shed_ = false;
    const Sent outcome = co_await write(text, {}, more, sent);
    co_return outcome == Sent::kAll;
}

inline Async<bool> Connection::send_parts(std::string head, Response& response) {
    Window first = std::move(object_.first);
    for (std::size_t i = 0; i < response.parts.size(); ++i) {
        BodyPart& part = response.parts[i];
        const bool last = i + 1 == response.parts.size();
        std::string before = std::exchange(head, {}) + part.before;
        const std::string_view after = last ? std::string_view(response.after) : "";
        const bool sent = co_await send_span(std::move(before), part.offset, part.length, after,
                                             std::move(first));
        if (!sent) co_return false;
    }
    co_return true;
}

/// `before`, then bytes [offset, offset + length) of the object, then `after`. `window` holds the
/// first of them, or nothing. False: the connection is dead.
inline Async<bool> Connection::send_span(std::string before, std::uint64_t offset,
                                         std::uint64_t length, std::string_view after,
                                         Window window) {
    const std::uint64_t end = offset + length;
    std::size_t window_max = state_.limits.window_bytes;
    while (true) {
        if (!window && offset < end) {
            window = co_await fill(offset, static_cast<std::size_t>(
                                               std::min<std::uint64_t>(window_max, end - offset)));
            if (!window) co_return false;
        }
        const std::size_t held = window.size();
        const bool last = offset + held == end;
        if (!last)
            prefetch(offset + held, static_cast<std::size_t>(
                                        std::min<std::uint64_t>(window_max, end - offset - held)));
        std::size_t sent = 0;
        may_shed_ = object_.reader != nullptr;  // else the window could not be read again
        const std::string_view tail = last ? after : "";
        const Sent outcome = co_await write(before, window.pins, tail, sent);
        Window next = co_await take_prefetched(offset + held);
        const std::size_t text_sent = std::min(sent, before.size());
        const std::size_t body_sent = std::min(sent - text_sent, held);
        body_sent_ += body_sent;
        if (outcome == Sent::kGone) co_return false;
        if (outcome == Sent::kAll) {
            if (last) co_return true;
            before.clear();
            offset += held;
            window = std::move(next);
            window_max = std::min(2 * window_max, state_.limits.window_bytes);
            continue;
        }
        // Others wait for memory and this peer does not take any: go on later with less.
        before.erase(0, text_sent);
        if (last) after.remove_prefix(sent - text_sent - body_sent);
        offset += body_sent;
        window.reset();
        next.reset();
        window_max = std::min(limits::http_resumed_window_bytes, state_.limits.window_bytes);
        const bool writable = co_await wait_writable();
        if (!writable) co_return false;
    }
}

/// Forwards bytes as they are written, until the file is finished.
inline Async<bool> Connection::follow(std::string head, std::uint64_t offset, bool chunked) {
    core::ObjectReader& reader = *object_.reader;
    ++state_.followers;
    watch_wanted_ = true;
    watch();
    bool complete = co_await send_text(head, {});
    while (complete) {
        if (stopping_) fail("the server stops");
        const core::ObjectReader::State now = reader.state();
        if (now.cut) fail("the file was changed where it had been published, or its writer failed");
        if (dead_ || gone_) {
            complete = false;
        } else if (now.size > offset) {
            const auto n = std::min<std::uint64_t>(now.size - offset, state_.limits.window_bytes);
            std::string before = chunked ? fmt::format("{:x}\r\n", n) : std::string();
            const std::string_view after = chunked ? "\r\n" : "";
            Window none;
            complete = co_await send_span(std::move(before), offset, n, after, std::move(none));
            offset += n;
        } else if (now.growing) {
            complete = co_await wait_beyond(offset);
        } else {
            break;
        }
    }
    --state_.followers;
    co_await stop_watching();
    if (complete && chunked) complete = co_await send_text("0\r\n\r\n", {});
    if (!complete) reset();
    co_return complete;
}

/// Sets woken_ and resumes the coroutine, from any thread. It may be destroyed on any thread, and
/// after us: it must not own us.
inline std::function<void()> Connection::waker() {
    return [weak = weak_from_this()] {
        auto self = weak.lock();
        if (self == nullptr) return;
        Loop& loop = self->loop_;
        asio::post(loop.io, [self = std::move(self)] {
            self->woken_ = true;
            self->event_.resume();
        });
    };
}

/// Sleeps until the file has more than `offset` bytes or no longer grows. False: no use in going
/// on.
inline Async<bool> Connection::wait_beyond(std::uint64_t offset) {
    woken_ = false;
    enter(Phase::kFollowing, state_.limits.follow_idle_ms);
    std::shared_ptr<void> token = object_.reader->wait_beyond(offset, waker());
    while (!woken_ && !gone_ && !dead_) co_await event_.wait();
    token.reset();
    enter(Phase::kServing, 0);
    co_return !gone_ && !dead_;
}

/// While a growing file is followed nothing is written for long times, so only a read sees the peer
/// leave. Bytes that come are the next request's; beyond a head's worth nobody reads on.
inline void Connection::watch() {
    if (watching_ || dead_ || input_.size() >= limits::http_head_bytes_max) return;
    watching_ = true;
    const auto room = input_.prepare(512);
    socket_.read_then(asio::buffer(room.data(), room.size()),
                      [self = shared_from_this()](boost::system::error_code error, std::size_t n) {
                          self->watching_ = false;
                          if (!error) {
                              self->input_.commit(n);
                          } else if (error != asio::error::operation_aborted) {
                              self->gone_ = true;
                              // A write that waits for this peer would wait in vain.
                              if (self->phase_ == Phase::kWriting) self->socket_.cancel();
                          }
                          if (self->watch_wanted_ && !self->gone_) self->watch();
                          self->event_.resume();
                      });
}

inline Async<void> Connection::stop_watching() {
    watch_wanted_ = false;
    if (watching_ && !dead_) socket_.cancel();
    while (watching_) co_await event_.wait();
}

/// Writes all three; `sent` counts on from where it stands.
inline Async<Connection::Sent> Connection::write(std::string_view before, const Pins& pins,
                                                 std::string_view after, std::size_t& sent) {
    std::size_t total = before.size() + after.size();
    for (const PinnedBytes& pin : pins) total += pin.bytes.size();
    while (sent < total) {
        if (dead_ || gone_) co_return Sent::kGone;
        std::size_t skip = sent;
        buffers_.clear();
        const auto add = [&](const void* data, std::size_t size) {
            const std::size_t step = std::min(skip, size);
            skip -= step;
            if (step < size)
                buffers_.emplace_back(static_cast<const std::byte*>(data) + step, size - step);
        };
        add(before.data(), before.size());
        for (const PinnedBytes& pin : pins) add(pin.bytes.data(), pin.bytes.size());
        add(after.data(), after.size());
        const std::span<const asio::const_buffer> buffers(buffers_);
        boost::system::error_code error;
        std::size_t n = socket_.write_some(buffers, error);
        if (error == asio::error::would_block || error == asio::error::try_again) {
            write_blocked_ns_ = now_ns();
            shed_asked_ = false;
            pace_.wait_begins(write_blocked_ns_);
            enter(Phase::kWriting, 0);
            std::tie(error, n) = co_await socket_.async_write_some(buffers, kAwaitTuple);
            enter(Phase::kServing, 0);
            pace_.wait_ends(now_ns());
        }
        if (error == asio::error::operation_aborted && shed_asked_ && !dead_ && !gone_)
            co_return Sent::kShed;
        if (error) {
            reset();
            co_return Sent::kGone;
        }
        sent += n;
        sent_total_ += n;
    }
    co_return Sent::kAll;
}

/// After shedding: until the socket takes bytes again. Holds no memory.
inline Async<bool> Connection::wait_writable() {
    may_shed_ = false;
    pace_.wait_begins(now_ns());
    enter(Phase::kWriting, 0);
    auto [error] = co_await socket_.async_wait(Socket::wait_write, kAwaitTuple);
    enter(Phase::kServing, 0);
    pace_.wait_ends(now_ns());
    if (error || gone_) reset();
    co_return !dead_;
}

/// Room for so many bytes, after waiting in line for it; none when the server stops.
inline Async<Window> Connection::take_window(std::size_t bytes) {
    Window window = state_.budget.try_take(bytes);
    if (window) co_return window;
    bool granted = false;
    state_.budget.take(bytes, [this, &window, &granted](Window given) {
        asio::post(loop_.io, [this, &window, &granted, taken = std::move(given)]() mutable {
            window = std::move(taken);
            granted = true;
            event_.resume();
        });
    });
    while (!granted) co_await event_.wait();
    if (!window) fail("the server stops");
    co_return window;
}

/// A window with these bytes; none when the connection is dead, which a failed read makes it.
inline Async<Window> Connection::fill(std::uint64_t offset, std::size_t bytes) {
    Window window = co_await take_window(bytes);
    if (dead_) co_return Window();
    core::ObjectReader& reader = *object_.reader;
    if (reader.read_cached(offset, window.size(), window.pins)) co_return window;
    Result<void> read = done();
    start_on_pool(
        task_, [&] { read = reader.read(offset, window.size(), window.pins); }, false);
    co_await wait_for(task_);
    if (dead_) co_return Window();
    if (read.ok()) co_return window;
    if (read.error().code() != Errc::kCancelled)
        log::error("http: a response is cut: {}", read.error().message());
    fail("its bytes cannot be read");
    co_return Window();
}

/// Starts reading what comes next, if there is memory for it now.
inline void Connection::prefetch(std::uint64_t offset, std::size_t bytes) {
    prefetched_.complete = false;
    prefetched_.offset = offset;
    prefetched_.window = state_.budget.try_take(bytes);
    if (!prefetched_.window) return;
    core::ObjectReader& reader = *object_.reader;
    if (reader.read_cached(offset, bytes, prefetched_.window.pins)) {
        prefetched_.complete = true;
        return;
    }
    start_on_pool(
        task_,
        [this, &reader] {
            Window& window = prefetched_.window;
            prefetched_.complete = reader.read(prefetched_.offset, window.size(), window.pins).ok();
        },
        false);
}

/// What prefetch() read; nothing when it did not, or failed: then fill() says why.
inline Async<Window> Connection::take_prefetched(std::uint64_t offset) {
    co_await wait_for(task_);
    Window window = std::move(prefetched_.window);
    if (!std::exchange(prefetched_.complete, false) || prefetched_.offset != offset) window.reset();
    co_return window;
}

}  // namespace reelfs::http
