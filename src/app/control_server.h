// The daemon's control socket: one thread, poll(2), at most 16 connections, one request a line.
//
// Requests are answered one after another in that thread and may block on disk. A peer that sends
// half a line, or does not read its answer, holds a place but not the others: sockets are
// non-blocking, and a place idle for 30 s is taken back. Peers other than root and the store's
// owner are cut before a byte is read.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/protocol.h"
#include "app/unix_socket.h"
#include "reelfs/base/fd.h"

namespace reelfs::app {

class ControlServer {
  public:
    /// Runs in the server's thread.
    using Handler = std::function<Answer(const Request&, const Peer&)>;

    /// `owner`: the uid besides root that may talk to us. `listener` is from listen_unix().
    static std::unique_ptr<ControlServer> start(Fd listener, unsigned owner, Handler handler);
    /// Serves descriptors that are connected already; for tests.
    static std::unique_ptr<ControlServer> start_on(Fd connected, unsigned owner, Handler handler);

    /// Finishes the request in hand, closes every connection.
    ~ControlServer();

  private:
    struct State;
    explicit ControlServer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace reelfs::app
