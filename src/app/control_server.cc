#include "app/control_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <list>
#include <thread>

#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kConnectionsMax = 16;
constexpr auto kIdleMax = std::chrono::seconds(30);
using Time = std::chrono::steady_clock::time_point;

struct Connection {
    Fd socket;
    Peer peer;
    std::string incoming;
    std::string outgoing;
    Time active;
};

}  // namespace

struct ControlServer::State {
    unsigned owner = 0;
    Handler handler;
    Fd listener;
    Fd wake;                            // eventfd: readable once the thread is to end
    std::list<Connection> connections;  // the thread's own
    std::thread thread;

    void run() noexcept;
    void step();
    void admit(Fd socket);
    void accept_all();
    bool receive(Connection& connection);
    bool transmit(Connection& connection);
    std::string answer_line(const std::string& line, const Peer& peer);
    bool stopping() const {
        pollfd waiting{.fd = wake.get(), .events = POLLIN, .revents = 0};
        return ::poll(&waiting, 1, 0) > 0;
    }
};

void ControlServer::State::admit(Fd socket) {
    auto peer = peer_of(socket.get());
    if (!peer || (peer->uid != 0 && peer->uid != owner)) {
        log::warning("control socket: refused uid {}", peer ? peer->uid : ~0u);
        return;
    }
    connections.push_back({.socket = std::move(socket),
                           .peer = *peer,
                           .incoming = {},
                           .outgoing = {},
                           .active = std::chrono::steady_clock::now()});
}

void ControlServer::State::accept_all() {
    while (connections.size() < kConnectionsMax) {
        Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        admit(std::move(socket));
    }
}

std::string ControlServer::State::answer_line(const std::string& line, const Peer& peer) {
    auto request = decode_request(line);
    if (!request) return encode_answer(std::move(request).error());
    return encode_answer(handler(*request, peer));
}

bool ControlServer::State::receive(Connection& connection) {
    std::array<char, 16384> piece{};
    ssize_t n = ::recv(connection.socket.get(), piece.data(), piece.size(), 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    connection.incoming.append(piece.data(), static_cast<std::size_t>(n));
    connection.active = std::chrono::steady_clock::now();
    const std::size_t end = connection.incoming.find('\n');
    if (end == std::string::npos) return connection.incoming.size() <= kRequestBytesMax;
    const std::string line = connection.incoming.substr(0, end);
    connection.incoming.erase(0, end + 1);
    connection.outgoing += answer_line(line, connection.peer) + "\n";
    return transmit(connection);
}

bool ControlServer::State::transmit(Connection& connection) {
    while (!connection.outgoing.empty()) {
        ssize_t n = ::send(connection.socket.get(), connection.outgoing.data(),
                           connection.outgoing.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        connection.outgoing.erase(0, static_cast<std::size_t>(n));
        connection.active = std::chrono::steady_clock::now();
    }
    return true;
}

void ControlServer::State::step() {
    std::vector<pollfd> waiting{{.fd = wake.get(), .events = POLLIN, .revents = 0}};
    const bool room = listener && connections.size() < kConnectionsMax;
    waiting.push_back({.fd = room ? listener.get() : -1, .events = POLLIN, .revents = 0});
    for (const Connection& connection : connections)
        waiting.push_back({.fd = connection.socket.get(),
                           // One answer at a time: no new request while one is being sent.
                           .events = connection.outgoing.empty() ? short{POLLIN} : short{POLLOUT},
                           .revents = 0});
    const int timeout_ms =
        connections.empty()
            ? -1
            : static_cast<int>(std::chrono::milliseconds(std::chrono::seconds(5)).count());
    if (::poll(waiting.data(), waiting.size(), timeout_ms) < 0) return;
    std::size_t index = 2;
    for (auto at = connections.begin(); at != connections.end(); ++index) {
        bool keep = std::chrono::steady_clock::now() - at->active < kIdleMax;
        if (waiting[index].revents != 0) keep = at->outgoing.empty() ? receive(*at) : transmit(*at);
        at = keep ? std::next(at) : connections.erase(at);
    }
    if (waiting[1].revents != 0) accept_all();
}

void ControlServer::State::run() noexcept {
    ::pthread_setname_np(::pthread_self(), "control");
    while (!stopping()) {
        try {
            step();
        } catch (const std::exception& problem) {
            log::error("control socket: {}", problem.what());
            connections.clear();
        }
    }
}

ControlServer::ControlServer(std::unique_ptr<State> state) : state_(std::move(state)) {
    state_->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

std::unique_ptr<ControlServer> ControlServer::start(Fd listener, unsigned owner, Handler handler) {
    auto state = std::make_unique<State>();
    state->listener = std::move(listener);
    state->owner = owner;
    state->handler = std::move(handler);
    return std::unique_ptr<ControlServer>(new ControlServer(std::move(state)));
}

std::unique_ptr<ControlServer> ControlServer::start_on(Fd connected, unsigned owner,
                                                       Handler handler) {
    auto state = std::make_unique<State>();
    state->owner = owner;
    state->handler = std::move(handler);
    ::fcntl(connected.get(), F_SETFL, O_NONBLOCK);
    state->admit(std::move(connected));
    return std::unique_ptr<ControlServer>(new ControlServer(std::move(state)));
}

ControlServer::~ControlServer() {
    const std::uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(state_->wake.get(), &one, sizeof one);
    state_->thread.join();
}

}  // namespace reelfs::app
