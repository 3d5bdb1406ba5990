#include "app/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "app/json.h"
#include "app/paths.h"
#include "app/unix_socket.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kMessageBytesMax = 64 * 1024;

/// Passes the child's messages on until it tells the outcome.
Exit listen_to_child(int from_child, const std::string& log_path) {
    LineReader messages(from_child);
    while (true) {
        auto line = messages.next(kMessageBytesMax, -1);
        if (!line) {
            fmt::print(stderr, "reelfs: the daemon ended before it was usable; see {}\n", log_path);
            return Exit::kFailed;
        }
        auto message = parse_json(*line);
        if (!message || !message->is_object()) continue;
        const std::string said = text_member(*message, "say");
        const std::string warned = text_member(*message, "warn");
        if (!said.empty()) fmt::print("{}\n", said);
        if (!warned.empty()) fmt::print(stderr, "reelfs: {}\n", warned);
        std::fflush(stdout);
        if (message->contains("exit"))
            return static_cast<Exit>(
                number_member(*message, "exit", static_cast<std::uint64_t>(Exit::kFailed)));
    }
}

}  // namespace

bool Launch::tell(const std::string& line) {
    return send_line(to_parent_.get(), line).ok();
}

void Launch::say(const std::string& line) {
    if (to_parent_) {
        tell(dump_json({{"say", line}}));
        return;
    }
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

void Launch::warn(const std::string& line) {
    if (to_parent_)
        tell(dump_json({{"warn", line}}));
    else
        fmt::print(stderr, "reelfs: {}\n", line);
}

bool Launch::ready() {
    notify_service_manager("READY=1");
    if (!to_parent_) return true;
    const bool told = tell(dump_json({{"exit", static_cast<std::uint64_t>(Exit::kOk)}}));
    to_parent_.reset();
    return told;
}

Exit Launch::failed(const Error& error) {
    const Exit code = exit_of(error.code());
    warn(error.message());
    if (to_parent_) tell(dump_json({{"exit", static_cast<std::uint64_t>(code)}}));
    to_parent_.reset();
    return code;
}

bool logs_to_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
           fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

Result<void> redirect_output(const Fd& log) {
    if (::dup2(log.get(), STDOUT_FILENO) < 0 || ::dup2(log.get(), STDERR_FILENO) < 0)
        return Error::from_errno(errno, "write to the log");
    return done();
}

void notify_service_manager(const std::string& state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path, std::strlen(path));
    if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract name space
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length);
}

Exit launch_daemon(const std::string& log_path, const std::function<Exit(Launch&)>& work) {
    const bool journal = logs_to_journal();
    if (!journal) {
        if (auto made = make_private_directories(parent_path(log_path)); !made)
            return fail(made.error());
    }
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return fail(Error::from_errno(errno, "make a pipe to the daemon"));
    Fd ours(pair[0]);
    Fd theirs(pair[1]);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) return fail(Error::from_errno(errno, "start the daemon"));
    if (child > 0) {
        theirs.reset();
        return listen_to_child(ours.get(), journal ? "the journal" : log_path);
    }
    ours.reset();
    Launch launch(std::move(theirs));
    ::setsid();
    if (::chdir("/") != 0) return launch.failed(Error::from_errno(errno, "enter /"));
    Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (nothing) ::dup2(nothing.get(), STDIN_FILENO);
    if (!journal) {
        Fd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        if (!log) return launch.failed(Error::from_errno(errno, "open log " + log_path));
        if (auto redirected = redirect_output(log); !redirected)
            return launch.failed(redirected.error());
    }
    return work(launch);
}

}  // namespace reelfs::app
