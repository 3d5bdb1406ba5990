// A connection's bytes: a TCP socket, with TLS over it or without. It has the calls of a socket
// that a connection uses, so that nothing above knows which it is. Included by connection.h only.
//
// TLS is driven by readiness: a call does what can be done now, and else waits for the socket. So a
// wait can be cancelled at any time without a record being torn, as with a plain socket.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <tuple>
#include <utility>

#include "http/tls.h"

namespace reelfs::http {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
template <class T>
using Async = asio::awaitable<T, Executor>;
/// Awaits a tuple that starts with the error; nothing throws.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> kAwaitTuple{
    asio::use_awaitable_t<Executor>()};

class Stream {
  public:
    using ErrorCode = boost::system::error_code;
    using Transfer = std::tuple<ErrorCode, std::size_t>;

    /// `tls` is null for plain TCP. `socket` does not block.
    Stream(Socket socket, std::unique_ptr<TlsSession> tls)
        : socket_(std::move(socket)), tls_(std::move(tls)) {}

    bool secure() const { return tls_ != nullptr; }
    /// False: no connection came about. At once true without TLS.
    Async<bool> handshake();

    /// What there is now: would_block when that is nothing, eof at the end.
    std::size_t read_some(asio::mutable_buffer room, ErrorCode& error);
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, ErrorCode& error);

    Async<Transfer> async_read_some(asio::mutable_buffer room, decltype(kAwaitTuple) token) {
        if (!tls_) return socket_.async_read_some(room, token);
        return read_when_ready(room);
    }
    template <class Buffers>
    Async<Transfer> async_write_some(const Buffers& buffers, decltype(kAwaitTuple) token) {
        if (!tls_) return socket_.async_write_some(buffers, token);
        return write_when_ready(buffers);
    }
    /// The same as a callback. It must keep this stream alive.
    template <class Then>
    void read_then(asio::mutable_buffer room, Then then);

    template <class Token>
    auto async_wait(Socket::wait_type what, Token&& token) {
        return socket_.async_wait(what, std::forward<Token>(token));
    }
    void cancel() { socket_.cancel(); }
    void close(ErrorCode& error) { socket_.close(error); }
    /// Ends our half in order. What the peer still sends is read as it comes, not deciphered.
    void shutdown(Socket::shutdown_type what, ErrorCode& error) {
        if (tls_) tls_->say_end();
        ended_ = true;
        socket_.shutdown(what, error);
    }
    template <class Option>
    void set_option(const Option& option, ErrorCode& error) {
        socket_.set_option(option, error);
    }
    Socket::native_handle_type native_handle() { return socket_.native_handle(); }

  private:
    static ErrorCode error_of(TlsSession::State state);
    Async<Transfer> read_when_ready(asio::mutable_buffer room);
    template <class Buffers>
    Async<Transfer> write_when_ready(Buffers buffers);

    Socket socket_;
    std::unique_ptr<TlsSession> tls_;
    bool ended_ = false;  // by us
};

inline Stream::ErrorCode Stream::error_of(TlsSession::State state) {
    switch (state) {
        case TlsSession::State::kDone:
            return {};
        case TlsSession::State::kRead:
        case TlsSession::State::kWrite:
            return asio::error::would_block;
        case TlsSession::State::kEnded:
            return asio::error::eof;
        case TlsSession::State::kFailed:
            break;
    }
    return asio::error::connection_reset;
}

inline Async<bool> Stream::handshake() {
    if (!tls_) co_return true;
    TlsSession::State state = tls_->handshake();
    while (state == TlsSession::State::kRead || state == TlsSession::State::kWrite) {
        const auto what =
            state == TlsSession::State::kRead ? Socket::wait_read : Socket::wait_write;
        auto [error] = co_await socket_.async_wait(what, kAwaitTuple);
        if (error) co_return false;
        state = tls_->handshake();
    }
    co_return state == TlsSession::State::kDone;
}

inline std::size_t Stream::read_some(asio::mutable_buffer room, ErrorCode& error) {
    if (!tls_ || ended_) return socket_.read_some(room, error);
    const TlsSession::Step step =
        tls_->read(MutableBytes(static_cast<std::byte*>(room.data()), room.size()));
    error = error_of(step.state);
    return step.bytes;
}

template <class Buffers>
std::size_t Stream::write_some(const Buffers& buffers, ErrorCode& error) {
    if (!tls_) return socket_.write_some(buffers, error);
    std::size_t total = 0;
    error = {};
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers);
         ++at) {
        asio::const_buffer left(*at);
        while (left.size() > 0) {
            const TlsSession::Step step =
                tls_->write(Bytes(static_cast<const std::byte*>(left.data()), left.size()));
            if (step.state != TlsSession::State::kDone) {
                if (total == 0) error = error_of(step.state);
                return total;
            }
            total += step.bytes;
            left += step.bytes;
        }
    }
    return total;
}

inline Async<Stream::Transfer> Stream::read_when_ready(asio::mutable_buffer room) {
    while (true) {
        ErrorCode error;
        const std::size_t n = read_some(room, error);
        if (error != asio::error::would_block) co_return Transfer(error, n);
        auto [waited] = co_await socket_.async_wait(Socket::wait_read, kAwaitTuple);
        if (waited) co_return Transfer(waited, 0);
    }
}

template <class Buffers>
Async<Stream::Transfer> Stream::write_when_ready(Buffers buffers) {
    while (true) {
        ErrorCode error;
        const std::size_t n = write_some(buffers, error);
        if (error != asio::error::would_block) co_return Transfer(error, n);
        auto [waited] = co_await socket_.async_wait(Socket::wait_write, kAwaitTuple);
        if (waited) co_return Transfer(waited, 0);
    }
}

template <class Then>
void Stream::read_then(asio::mutable_buffer room, Then then) {
    if (!tls_) {
        socket_.async_read_some(room, std::move(then));
        return;
    }
    socket_.async_wait(Socket::wait_read,
                       [this, room, then = std::move(then)](ErrorCode error) mutable {
                           std::size_t n = 0;
                           if (!error) n = read_some(room, error);
                           if (error == asio::error::would_block)
                               read_then(room, std::move(then));
                           else
                               then(error, n);
                       });
}

}  // namespace reelfs::http
