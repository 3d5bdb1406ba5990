// TLS 1.2 and 1.3 for the server's side, over OpenSSL, without waiting: each call does what the
// socket allows now and says what it waits for. No network library in here; http/stream.h waits.
//
// A context is what certificate and key files said when they were read last. Connections keep the
// one they began with.
//
// Threads: TlsContext locks itself; a TlsSession is used by one thread at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "reelfs/base/bytes.h"
#include "reelfs/base/mutex.h"
#include "reelfs/base/result.h"
#include "reelfs/http/server.h"

struct ssl_st;
struct ssl_ctx_st;

namespace reelfs::http {

/// One connection's TLS over its socket, which outlives it.
class TlsSession {
  public:
    enum class State {
        kDone,    // some bytes passed; the handshake has ended
        kRead,    // wait until the socket can be read, then call again with the same
        kWrite,   // the same, written
        kEnded,   // the peer has closed in order
        kFailed,  // the connection is of no more use
    };
    struct Step {
        State state = State::kFailed;
        std::size_t bytes = 0;
    };

    explicit TlsSession(std::shared_ptr<ssl_ctx_st> context, int socket);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    State handshake();
    Step read(MutableBytes room);
    /// At most 16 KiB at a time. After kWrite the next call must begin with the same bytes.
    Step write(Bytes bytes);
    /// Tells the peer that no more comes, if the socket takes it now.
    void say_end();

  private:
    State state_after(int result);
    const std::shared_ptr<ssl_ctx_st> context_;
    ssl_st* session_;
};

class TlsContext {
  public:
    using ReadFile = std::function<Result<std::string>(const std::string&)>;
    /// kNotFound, kInvalid: which file, and what is wrong with it.
    static Result<std::unique_ptr<TlsContext>> load(const TlsFiles& files, ReadFile read);
    /// Reads the files again. On failure new connections get what they got before.
    Result<void> reload() EXCLUDES(mutex_);
    std::unique_ptr<TlsSession> session(int socket) const EXCLUDES(mutex_);

  private:
    TlsContext(TlsFiles files, ReadFile read) : files_(std::move(files)), read_(std::move(read)) {}
    const TlsFiles files_;
    const ReadFile read_;
    mutable Mutex mutex_;
    std::shared_ptr<ssl_ctx_st> context_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::http
