// A connection's uploads: the body of a PUT on its way in. The third part of connection.cc, apart
// for the reader's sake only.
//
// The body is read into a window of the budget, without its chunked framing, and handed to the
// upload pool while the next window fills. Bytes are handed over as soon as the socket has no more,
// so that followers of a STREAMING upload see them at once; a second window is taken only when it
// is there, and none is held while the peer is waited for. A body that is whole is published
// whether or not the peer still listens.
#pragma once

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include "http/chunked.h"
#include "http/connection.h"
#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

/// Takes body bytes off `input` into `out`; both ends moved on. True when the body is whole.
struct BodyReader {
    bool chunked = false;
    std::uint64_t left = 0;  // without chunks
    ChunkedDecoder chunks;

    bool whole() const {
        return chunked ? chunks.state() == ChunkedDecoder::State::kDone : left == 0;
    }
    bool malformed() const { return chunks.state() == ChunkedDecoder::State::kMalformed; }
    /// How many bytes of the body go from the front of `input` to `out`.
    std::size_t take(InputBuffer& input, MutableBytes out) {
        std::size_t taken = 0;
        while (!whole() && !malformed() && input.size() > 0 && taken < out.size()) {
            const std::string_view seen = input.view().substr(0, out.size() - taken);
            std::string_view data = seen;
            std::size_t consumed = 0;
            if (chunked) {
                const ChunkedDecoder::Step step = chunks.feed(seen);
                data = step.data;
                consumed = step.consumed;
            } else {
                data = seen.substr(
                    0, static_cast<std::size_t>(std::min<std::uint64_t>(left, seen.size())));
                consumed = data.size();
                left -= consumed;
            }
            if (!data.empty()) std::memcpy(out.data() + taken, data.data(), data.size());
            taken += data.size();
            input.consume(consumed);
        }
        return taken;
    }
};

/// A run of a body's bytes, and the room in the budget that they count against.
struct Piece {
    Window room;
    Buffer bytes;  // kept for the next run
    std::size_t held = 0;

    MutableBytes free() {
        if (bytes.size() < room.size()) bytes = Buffer(room.size());
        return bytes.span().first(room.size()).subspan(held);
    }
    Bytes content() const { return bytes.span().first(held); }
    void clear() {
        room.reset();
        held = 0;
    }
};

inline Async<Response> Connection::answer_upload(Route route) {
    meter_ = &state_.put_object;
    UploadRequest request;
    request.route = std::move(route);
    request.ticket = take_ticket();
    const std::int64_t started = now_ns();
    if (!start_on_pool(
            task_, [&] { request.admit(state_, asker()); }, true))
        co_return error_response(503, "too many requests wait; try again");
    co_await wait_for(task_);
    if (!request.failure) {
        const std::int64_t ends = request.ms_max == 0 ? 0 : started + request.ms_max * 1'000'000;
        const bool whole = co_await receive_body(request, ends);
        if (whole && !request.failure) co_await publish(request);
    }
    start_upload_work([&] { request.drop(); });
    co_await wait_for(task_);
    co_return request.failure ? *std::move(request.failure) : std::move(request.response);
}

/// False: it did not come to its end.
inline Async<bool> Connection::receive_body(UploadRequest& request, std::int64_t ends_ns) {
    BodyReader body;
    body.chunked = head_.chunked;
    body.left = head_.content_length.value_or(0);
    if (!body.whole() && input_.size() == 0 && head_.minor_version >= 1 && expects_continue()) {
        const bool sent = co_await send_text("HTTP/1.1 100 Continue\r\n\r\n", {});
        if (!sent) co_return false;
    }
    Piece filling, appending;
    std::uint64_t total = 0;
    // While a piece is appended the request is the pool's: whether that failed is looked at when it
    // is done.
    while (true) {
        if (!filling.room) {
            const std::uint64_t expected = body.chunked ? UINT64_MAX : body.left;
            const auto bytes = static_cast<std::size_t>(
                std::clamp<std::uint64_t>(expected, 1, state_.limits.window_bytes));
            filling.room = state_.budget.try_take(bytes);
            if (!filling.room) {
                co_await wait_for(task_);
                if (request.failure) break;
                appending = {};
                filling.room = co_await take_window(bytes);
            }
            if (!filling.room) break;
        }
        const std::size_t n = body.take(input_, filling.free());
        filling.held += n;
        total += n;
        if (total > request.bytes_max) {
            co_await wait_for(task_);
            if (!request.failure) request.failure = UploadRequest::too_large();
            break;
        }
        const bool full = filling.free().empty();
        if (!full && !body.whole() && !body.malformed() && read_now()) continue;
        if (filling.held > 0) {
            co_await wait_for(task_);
            if (request.failure) break;
            std::swap(filling, appending);
            filling.clear();
            start_upload_work([&] { request.append(appending.content()); });
        }
        if (body.whole() || body.malformed()) break;
        if (full && (input_.size() > 0 || read_now())) continue;
        // Nothing is held while the peer is waited for: there may be many of these.
        co_await wait_for(task_);
        if (request.failure) break;
        appending = {};
        filling = {};
        request.upload->waits();
        const bool arrived = co_await wait_readable(ends_ns);
        if (!arrived) break;
        request.upload->goes_on();
    }
    co_await wait_for(task_);
    body_pending_ = !body.whole();
    exchange_.bytes_received = total;
    exchange_.complete_ns = now_ns();
    if (body_pending_) head_.keep_alive = false;  // where the next request begins is not known
    if (!request.failure && body.malformed()) {
        state_.peer_faults.note(PeerFault::kBadBody);
        request.failure = error_response(400, "the body's chunks are malformed");
    }
    if (!request.failure && body_pending_) {
        state_.peer_faults.note(gone_ ? PeerFault::kCutUpload : PeerFault::kSlowBody);
        request.failure = error_response(408, "the body took too long or did not end");
    }
    co_return !request.failure;
}

inline bool Connection::expects_continue() const {
    const auto expect = head_.single("expect");
    return expect && equal_ignoring_case(*expect, "100-continue");
}

/// What the socket has at this moment goes to input_; false when that is nothing.
inline bool Connection::read_now() {
    if (dead_) return false;
    if (input_.size() > 0) return true;
    const auto room = input_.prepare(limits::http_body_read_bytes);
    boost::system::error_code error;
    const std::size_t n = socket_.read_some(asio::buffer(room.data(), room.size()), error);
    if (error) return false;  // would block, or the end, which wait_readable() finds again
    input_.commit(n);
    return true;
}

/// Until more of the body is there. False: the peer has gone, or it took too long.
inline Async<bool> Connection::wait_readable(std::int64_t ends_ns) {
    std::int64_t patience_ms = state_.limits.stall_ms;
    if (ends_ns != 0)
        patience_ms = std::clamp<std::int64_t>((ends_ns - now_ns()) / 1'000'000, 1, patience_ms);
    enter(Phase::kReceiving, patience_ms);
    expired_ = false;
    const auto room = input_.prepare(limits::http_body_read_bytes);
    auto [error, n] =
        co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), kAwaitTuple);
    enter(Phase::kServing, 0);
    const bool late = std::exchange(expired_, false) || (ends_ns != 0 && now_ns() >= ends_ns);
    if (error && error != asio::error::operation_aborted) gone_ = true;
    if (error || dead_) co_return false;
    input_.commit(n);
    co_return !late;
}

/// The body is whole: on the disk, in turn, under its name.
inline Async<void> Connection::publish(UploadRequest& request) {
    request.upload->complete();
    start_upload_work([&] { request.settle(); });
    co_await wait_for(task_);
    if (request.failure) co_return;
    const TurnOf turn_of = [&](std::function<void()> wake) {
        return request.upload->turn(std::move(wake));
    };
    co_await wait_turn(turn_of);
    start_upload_work([&] { request.publish(); });
    co_await wait_for(task_);
}

/// The number of what is about to begin: the acceptor's, or one drawn now.
inline std::uint64_t Connection::take_ticket() {
    if (!ticket_) ticket_ = state_.tree.draw_ticket();
    state_.tree.confirm_ticket(*ticket_);
    return *ticket_;
}

/// Until those that go first in the folder have gone.
inline Async<void> Connection::wait_turn(const TurnOf& turn_of) {
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer(loop_.io);
    while (true) {
        woken_ = false;
        const core::Upload::Turn turn = turn_of(waker());
        if (turn.now) break;
        timer.expires_after(std::chrono::milliseconds(turn.ask_again_ms));
        timer.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (error) return;
            self->woken_ = true;
            self->event_.resume();
        });
        while (!woken_) co_await event_.wait();
        timer.cancel();
    }
}

inline void Connection::start_upload_work(std::function<void()> work) {
    task_.work = std::move(work);
    task_.busy = true;
    state_.upload_pool.post(task_);
}

}  // namespace reelfs::http
