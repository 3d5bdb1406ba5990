#include "app/unix_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "app/paths.h"

namespace reelfs::app {

namespace {

constexpr int kBacklog = 16;

struct Name {
    sockaddr_un address{};
    Fd directory;  // keeps /proc/self/fd/N alive
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Result<Name> name_of_path(const std::string& path) {
    Name name;
    name.address.sun_family = AF_UNIX;
    std::string short_path = path;
    if (path.size() >= sizeof name.address.sun_path) {
        const std::string directory = parent_path(path);
        name.directory = Fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!name.directory) return Error::from_errno(errno, "open " + directory);
        short_path = fmt::format("/proc/self/fd/{}/{}", name.directory.get(),
                                 path.substr(directory.size() + 1));
    }
    if (short_path.size() >= sizeof name.address.sun_path)
        return Error(Errc::kNameTooLong, path + ": the name of a socket is too long");
    std::memcpy(name.address.sun_path, short_path.c_str(), short_path.size() + 1);
    return name;
}

}  // namespace

Result<Fd> listen_unix(const std::string& path) {
    RF_TRY(Name name, name_of_path(path));
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return Error::from_errno(errno, "make a socket");
    ::unlink(path.c_str());
    // The mode is that of the process's umask (077); set before anybody can connect.
    ::fchmod(socket.get(), 0600);
    if (::bind(socket.get(), name.get(), sizeof name.address) != 0)
        return Error::from_errno(errno, "make the control socket " + path);
    if (::chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), kBacklog) != 0)
        return Error::from_errno(errno, "listen on " + path);
    return socket;
}

Result<Fd> connect_unix(const std::string& path) {
    RF_TRY(Name name, name_of_path(path));
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, "make a socket");
    if (::connect(socket.get(), name.get(), sizeof name.address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return Error(Errc::kNotFound, "no daemon listens on " + path);
        return Error::from_errno(errno, "connect to " + path);
    }
    return socket;
}

std::optional<Peer> peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return std::nullopt;
    return Peer{.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
}

Result<void> send_line(int socket, std::string line) {
    line += '\n';
    std::size_t sent = 0;
    while (sent < line.size()) {
        ssize_t n = ::send(socket, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Error::from_errno(errno, "talk to the daemon");
        sent += static_cast<std::size_t>(n);
    }
    return done();
}

Result<std::string> LineReader::next(std::size_t limit, int wait_ms) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    std::array<char, 16384> piece{};
    while (true) {
        if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
            std::string line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return line;
        }
        if (buffer_.size() > limit) return Error(Errc::kTooBig, "a line beyond its limit");
        int left = -1;
        if (wait_ms >= 0)
            left = static_cast<int>(
                std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(
                                              until - std::chrono::steady_clock::now())
                                              .count()));
        pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
        int ready = ::poll(&waiting, 1, left);
        if (ready == 0) return Error(Errc::kTimeout, "no answer from the daemon in time");
        if (ready < 0 && errno == EINTR) continue;
        ssize_t n = ::recv(socket_, piece.data(), piece.size(), 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return Error::from_errno(errno, "hear from the daemon");
        if (n == 0) return Error(Errc::kIo, "the daemon closed the connection");
        buffer_.append(piece.data(), static_cast<std::size_t>(n));
    }
}

}  // namespace reelfs::app
