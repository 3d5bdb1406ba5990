#include "fuse/connection.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "fuse/door.h"
#include "fuse/request_flags.h"
#include "reelfs/base/fd.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::fuse {
namespace {

/// Requests in the background (readahead, direct I/O) the kernel may have under way, and from when
/// it holds back.
constexpr unsigned kBackgroundMax = 64;
constexpr unsigned kCongestion = 48;

thread_local std::string* t_messages = nullptr;

__attribute__((format(printf, 2, 0))) void on_message(fuse_log_level level, const char* format,
                                                      va_list arguments) {
    std::array<char, 512> line{};
    int length = std::vsnprintf(line.data(), line.size(), format, arguments);
    if (length <= 0) return;
    int cancelable = 0;  // workers are, and must not be while they hold the log's locks
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelable);
    std::string_view text(line.data());
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    try {
        if (t_messages) {
            t_messages->append(t_messages->empty() ? "" : "; ").append(text);
        } else if (level <= FUSE_LOG_ERR) {
            log::warning("libfuse: {}", text);
        } else {
            log::debug("libfuse: {}", text);
        }
    } catch (...) {  // no memory for a message
    }
    pthread_setcancelstate(cancelable, nullptr);
}

// libfuse lets its workers be cancelled while they wait for a request, and complains with perror(3)
// in the same breath; a thread cancelled in there leaves stderr locked for ever, and whoever logs
// next hangs (seen; glibc 2.36). So what ends a mount in the usual way is made to look usual, and
// before any other error the thread stops being cancellable.
//
// Not noexcept: glibc unwinds a cancelled thread through this frame.
ssize_t read_request(int fd, void* buffer, std::size_t size, void* door) {
    ssize_t got = ::read(static_cast<Door*>(door)->queues.to_read(fd), buffer, size);
    if (got > 0) {
        Bytes request(static_cast<const std::byte*>(buffer), static_cast<std::size_t>(got));
        static_cast<Door*>(door)->init.saw_request(request);
        note_request(request);
        return got;
    }
    int number = device_read_error(errno);
    bool usual = number == ENODEV || number == ENOENT || number == EINTR || number == EAGAIN;
    if (!usual) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    errno = number;
    return got;
}

ssize_t write_reply(int fd, iovec* pieces, int count, void* door) {
    static_cast<Door*>(door)->init.before_reply(pieces, count);
    return ::writev(static_cast<Door*>(door)->queues.to_reply(fd), pieces, count);
}

#if !REELFS_PATCH_INIT
void want(fuse_conn_info& connection, std::uint64_t capability) {
    if (connection.capable_ext & capability) fuse_set_feature_flag(&connection, capability);
}
#endif

}  // namespace

void configure_connection(void* door, fuse_conn_info* connection) noexcept {
#if REELFS_PATCH_INIT
    auto set = [&](unsigned capability) { connection->want |= connection->capable & capability; };
    auto unset = [&](unsigned capability) { connection->want &= ~capability; };
#else
    auto set = [&](std::uint64_t capability) { want(*connection, capability); };
    auto unset = [&](std::uint64_t capability) { fuse_unset_feature_flag(connection, capability); };
    set(FUSE_CAP_PARALLEL_DIROPS);
    set(FUSE_CAP_HANDLE_KILLPRIV_V2);
    set(FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
#endif
    set(FUSE_CAP_ASYNC_READ);
    set(FUSE_CAP_ASYNC_DIO);
    set(FUSE_CAP_ATOMIC_O_TRUNC);
    set(FUSE_CAP_READDIRPLUS);
    set(FUSE_CAP_READDIRPLUS_AUTO);
    set(FUSE_CAP_CACHE_SYMLINKS);
    // A size that changed does not mean that all pages are stale: other doors say what is.
    unset(FUSE_CAP_AUTO_INVAL_DATA);
    set(FUSE_CAP_EXPLICIT_INVAL_DATA);
    // Write-through: readers behind other doors see bytes when write(2) returns.
    unset(FUSE_CAP_WRITEBACK_CACHE);
    // Every byte is touched on its way, so there is nothing to splice.
    unset(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    // HANDLE_KILLPRIV (v1) would promise too much; V2 is the one.
    unset(FUSE_CAP_HANDLE_KILLPRIV);
    if (static_cast<Door*>(door)->acl) {
        set(FUSE_CAP_POSIX_ACL);
        // A default list takes the umask's place, and only the tree knows where there is one.
        set(FUSE_CAP_DONT_MASK);
    }
    connection->max_write = limits::fuse_request_bytes_max;
    connection->max_background = kBackgroundMax;
    connection->congestion_threshold = kCongestion;
    connection->time_gran = 1;
}

int device_read_error(int error_number) {
    return error_number == ECONNABORTED ? ENODEV : error_number;
}

bool install_device_calls(fuse_session* session) {
    // Same descriptor, which the session closes. Workers come through the same two functions, which
    // give each its own queue.
    fuse_custom_io io{};
    io.read = read_request;
    io.writev = write_reply;
    int device = fuse_session_fd(session);
#if REELFS_PATCH_INIT
    return fuse_session_custom_io(session, &io, device) == 0;
#else
    return fuse_session_custom_io_317(session, &io, sizeof io, device) == 0;
#endif
}

LibfuseMessages::LibfuseMessages() {
    fuse_set_log_func(on_message);
    t_messages = &text_;
}

LibfuseMessages::~LibfuseMessages() {
    t_messages = nullptr;
}

std::string LibfuseMessages::text_or(std::string_view otherwise) const {
    return text_.empty() ? std::string(otherwise) : text_;
}

}  // namespace reelfs::fuse
