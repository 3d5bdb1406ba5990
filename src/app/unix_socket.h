// A Unix stream socket by path, also where the path is longer than sun_path (108 bytes): the socket
// is then named through /proc/self/fd of its directory.
#pragma once

#include <optional>
#include <string>

#include "reelfs/base/fd.h"
#include "reelfs/base/result.h"

namespace reelfs::app {

/// Bound, mode 0600, listening, non-blocking. A socket file left behind is replaced: the caller
/// holds the store's lock, so nobody listens there.
Result<Fd> listen_unix(const std::string& path);
/// Connected, blocking. kNotFound when nobody listens.
Result<Fd> connect_unix(const std::string& path);

struct Peer {
    int pid = 0;
    unsigned uid = 0;
    unsigned gid = 0;
};
std::optional<Peer> peer_of(int socket);

/// Sends all of it; kIo when the other side is gone.
Result<void> send_line(int socket, std::string line);
/// Reads a stream line by line; what came after a line is kept for the next call.
class LineReader {
  public:
    /// `socket` is a loan.
    explicit LineReader(int socket) : socket_(socket) {}
    /// Up to the line break; kIo at the end of the stream, kTooBig beyond `limit`, kTimeout when
    /// the line has not come within `wait_ms` (-1: for ever).
    Result<std::string> next(std::size_t limit, int wait_ms);

  private:
    const int socket_;
    std::string buffer_;
};

}  // namespace reelfs::app
