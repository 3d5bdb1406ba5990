// One connection: a coroutine on the network thread it was given to. Reads a head, answers it,
// reads the next. Included only by connection.cc and server.cc, the two files that see Asio.
//
// Threads: everything here runs on the loop's thread, except that pool jobs, budget grants and
// wakes of growing files arrive from elsewhere and are posted to it. A connection lives until its
// coroutine has ended, and the coroutine ends only when no pool job of it runs.
//
//            head read                 all sent          (kReceiving: while a body is waited for)
//     kIdle ----------> kServing <--> kWriting -----> kIdle          (keep-alive)
//       ^ first byte        |  ^                  \-> kClosing       (no more requests)
//     kHead        kFollowing, kHeld                   socket closed: dead_
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "http/data_access.h"
#include "http/exchange.h"
#include "http/held_request.h"
#include "http/input_buffer.h"
#include "http/object_request.h"
#include "http/pace.h"
#include "http/request_gate.h"
#include "http/response.h"
#include "http/server_state.h"
#include "http/stream.h"
#include "http/target.h"
#include "http/upload_request.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

class Connection;

/// A network thread and the connections it serves.
struct Loop {
    // One thread runs it; others post to it.
    asio::io_context io{1};
    asio::executor_work_guard<Executor> work{io.get_executor()};
    std::thread thread;
    // Touched by the thread only.
    std::unordered_set<Connection*> connections;
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        tick{io};
    std::int64_t date_second = -1;
    std::string date;

    /// The Date of now, made once a second.
    std::string_view date_of(Timestamp now);
};

/// Lets one coroutine sleep until something posted to its thread resumes it. Resuming it while it
/// does something else makes its next wait() return at once: callers loop on their own condition.
class Event {
  public:
    Async<void> wait();
    /// On the loop's thread, not from within the coroutine.
    void resume();

  private:
    struct Waiter {
        virtual ~Waiter() = default;
        virtual void resume() = 0;
    };
    std::unique_ptr<Waiter> waiter_;
    bool resumed_ = false;
};

/// The other end of a connection, and its place among its client's.
struct Peer {
    IpAddress address;
    ClientPlaces::Place place;  // none of a trusted proxy, nor on the admin listener
};

class Connection final : public std::enable_shared_from_this<Connection> {
  public:
    enum class Door { kPublic, kAdmin };

    /// `state.connections` has been entered for it.
    /// `ticket`: its place among uploads, should the first request be one.
    Connection(Stream socket, Loop& loop, ServerState& state, Door door, Peer peer,
               std::uint64_t ticket);
    ~Connection();

    /// Serves until the peer or we have enough.
    void start();
    /// Looks at the deadlines.
    void tick(std::int64_t now_ns);
    /// No further request is read; a response under way goes on, unless it follows a growing file.
    void begin_stop();
    /// Ends it now, by reset.
    void reset();

  private:
    enum class Phase { kIdle, kHead, kReceiving, kServing, kWriting, kFollowing, kHeld, kClosing };
    enum class Sent { kAll, kShed, kGone };

    /// Work for the pool, run for the coroutine that waits in on_pool().
    struct PoolTask final : WorkerPool::Job {
        Connection* connection = nullptr;
        std::function<void()> work;
        bool busy = false;
        void run() noexcept override;
    };
    struct Prefetch {
        Window window;
        std::uint64_t offset = 0;
        bool complete = false;
    };

    // connection.cc: requests
    Async<void> run();
    Async<bool> read_head();
    Async<bool> read_some();
    Async<void> refuse(Refusal refusal);
    Async<void> serve();
    void drop_ticket();
    Async<Response> answer();
    Async<Response> answer_read(Target& target, Route route);
    Async<Response> answer_write(Target& target, Route route);
    Route route_of(Target& target) const;
    Async<Response> answer_public(Target& target);
    Async<Response> answer_proved(Target& target, Route route);
    bool identify(Response& response);
    bool find_client();
    void note_access(const Response& response);
    Asker asker() const;
    void ask_as(Action action);
    Async<Response> answer_object(Route route, std::string_view query);
    Async<Response> answer_container(Route route, std::string_view query);
    Async<Response> answer_delete(Route route);
    Async<Response> answer_on_admin(Components segments);
    Async<bool> drain_body();
    Async<void> close();

    // connection_held.h
    Async<Response> answer_held(std::optional<HlsPosition> position);
    Async<bool> wait_held(const HeldRequest& held, std::int64_t started_ns);

    // connection_upload.h
    Async<Response> answer_upload(Route route);
    Async<bool> receive_body(UploadRequest& request, std::int64_t ends_ns);
    Async<void> publish(UploadRequest& request);
    std::uint64_t take_ticket();
    /// Asks, with a wake function, whether it is one's turn.
    using TurnOf = std::function<core::Upload::Turn(std::function<void()>)>;
    Async<void> wait_turn(const TurnOf& turn_of);
    Async<bool> wait_readable(std::int64_t ends_ns);
    bool read_now();
    bool expects_continue() const;
    void start_upload_work(std::function<void()> work);

    // connection_body.h: responses
    Async<void> send(Response& response);
    Async<bool> send_text(std::string_view text, std::string_view more);
    Async<bool> send_parts(std::string head, Response& response);
    Async<bool> send_span(std::string before, std::uint64_t offset, std::uint64_t length,
                          std::string_view after, Window window);
    Async<bool> follow(std::string head, std::uint64_t offset, bool chunked);
    std::function<void()> waker();
    Async<bool> wait_beyond(std::uint64_t offset);
    Async<Sent> write(std::string_view before, const Pins& pins, std::string_view after,
                      std::size_t& sent);
    Async<Window> take_window(std::size_t bytes);
    Async<Window> fill(std::uint64_t offset, std::size_t bytes);
    void prefetch(std::uint64_t offset, std::size_t bytes);
    Async<Window> take_prefetched(std::uint64_t offset);
    Async<bool> wait_writable();

    bool start_on_pool(PoolTask& task, std::function<void()> work, bool refusable);
    Async<void> wait_for(PoolTask& task);
    void watch();
    Async<void> stop_watching();
    void enter(Phase phase, std::int64_t deadline_after_ms);
    void renew_object(std::int64_t now_ns);
    void fail(std::string_view why);
    std::int64_t now_ns() const { return state_.clock.monotonic_ns(); }
    std::uint64_t acknowledged();

    Stream socket_;
    Loop& loop_;
    ServerState& state_;
    const Door door_;
    const Peer peer_;

    // The request at hand
    std::optional<std::uint64_t> ticket_;  // until it is used, or the first request is no upload
    InputBuffer input_;
    std::string head_text_;
    RequestHead head_;
    Authenticated who_;
    Exchange exchange_;
    ClientPlaces::Place place_;  // of a client behind a proxy
    bool keep_alive_ = true;
    bool body_pending_ = false;

    // The response at hand
    ObjectRequest object_;
    OperationMeter* meter_ = nullptr;
    Prefetch prefetched_;
    std::vector<asio::const_buffer> buffers_;  // what write() hands to the socket
    PoolTask task_;
    Pace pace_;
    core::ObjectReader* sent_object_ = nullptr;  // while it is sent
    std::optional<std::int64_t> replaced_ns_;    // since when it is not what others get
    std::uint64_t body_sent_ = 0;
    std::int64_t sent_ns_ = 0;  // when it was
    bool failed_ = false;       // through us, not the peer

    // Progress and interruption
    Event event_;
    Phase phase_ = Phase::kIdle;
    std::int64_t deadline_ns_ = 0;  // 0: none
    std::int64_t write_blocked_ns_ = 0;
    std::uint64_t sent_total_ = 0;  // by this connection, accepted by the kernel
    bool may_shed_ = false;
    bool shed_asked_ = false;
    bool expired_ = false;   // the deadline passed
    bool stopping_ = false;  // begin_stop()
    bool dead_ = false;      // the socket is closed
    bool lingers_ = false;   // read on before closing
    bool watching_ = false;  // a read is pending while a growing file is followed
    bool watch_wanted_ = false;
    bool gone_ = false;  // that read saw the peer's end
    bool woken_ = false;
};

}  // namespace reelfs::http
