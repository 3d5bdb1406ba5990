#include "app/store_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>

#include "app/json.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kRecordBytesMax = 16 * 1024;
constexpr int kLookAgainMs = 250;  // a holder that starts may say meanwhile that it stays

std::string lock_path(const std::string& store) {
    return store + "/lock";
}

std::string read_record(int fd) {
    std::string text(kRecordBytesMax, '\0');
    ssize_t n = ::pread(fd, text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}

/// Who holds a flock on this file, by the kernel's own list; 0 when it does not say.
int pid_in_lock_list(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return 0;
    const std::string inode = fmt::format(":{}", status.st_ino);
    std::ifstream list("/proc/locks");
    for (std::string line; std::getline(list, line);) {
        // 3: FLOCK  ADVISORY  WRITE 4711 08:01:131090 0 EOF
        std::istringstream words(line);
        std::string number, kind, advice, mode, file;
        int pid = 0;
        if (words >> number >> kind >> advice >> mode >> pid >> file && kind == "FLOCK" &&
            pid > 0 && file.ends_with(inode))
            return pid;
    }
    return 0;
}

/// What the lock file says of its holder, or at least its process id.
LockRecord holder_of(int fd) {
    LockRecord record = decode_lock_record(read_record(fd)).value_or(LockRecord{});
    if (record.pid == 0) record.pid = pid_in_lock_list(fd);
    return record;
}

Error held_by(const std::string& store, const LockRecord& record) {
    if (record.pid == 0)
        return {Errc::kBusy, fmt::format("store {} is in use by another process", store)};
    if (record.socket.empty())
        return {Errc::kBusy, fmt::format("store {} is in use by {}, which is starting or about to "
                                         "end; try again",
                                         store, describe(record))};
    const std::string stop = record.mountpoint.empty()
                                 ? "reelfs umount '" + store + "'"
                                 : "reelfs umount '" + record.mountpoint + "'";
    return {Errc::kBusy, fmt::format("store {} is already served by {}; to stop it: {}", store,
                                     describe(record), stop)};
}

/// An open descriptor on the lock file; writable where the disk is.
Result<Fd> open_lock(const std::string& store, int flags) {
    Fd fd(::open(lock_path(store).c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd && errno == EROFS)
        fd = Fd(::open(lock_path(store).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return Error::from_errno(errno, "open " + lock_path(store));
    return fd;
}

}  // namespace

std::string encode_lock_record(const LockRecord& record) {
    return dump_json({{"pid", record.pid},
                      {"mountpoint", record.mountpoint},
                      {"http", record.http},
                      {"https", record.https},
                      {"admin", record.admin},
                      {"socket", record.socket},
                      {"started", record.started},
                      {"stopping", record.stopping}}) +
           "\n";
}

std::optional<LockRecord> decode_lock_record(std::string_view text) {
    auto parsed = parse_json(text);
    if (!parsed || !parsed->is_object()) return std::nullopt;
    const std::uint64_t pid = number_member(*parsed, "pid", 0);
    if (pid == 0 || pid > 1u << 30) return std::nullopt;
    return LockRecord{.pid = static_cast<int>(pid),
                      .mountpoint = text_member(*parsed, "mountpoint"),
                      .http = text_member(*parsed, "http"),
                      .https = text_member(*parsed, "https"),
                      .admin = text_member(*parsed, "admin"),
                      .socket = text_member(*parsed, "socket"),
                      .started = text_member(*parsed, "started"),
                      .stopping = flag_member(*parsed, "stopping")};
}

std::string url_of(const std::string& address, std::string_view scheme) {
    return address.empty() ? "" : fmt::format("{}://{}/", scheme, address);
}

std::string describe(const LockRecord& record) {
    std::string text = fmt::format("process {}", record.pid);
    if (!record.mountpoint.empty()) text += ", mounted at " + record.mountpoint;
    if (!record.http.empty()) text += ", " + url_of(record.http);
    if (!record.https.empty()) text += ", " + url_of(record.https, "https");
    if (record.stopping) text += " (stopping)";
    return text;
}

bool wait_for_exit(int pid, int wait_ms) {
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) return errno == ESRCH;
    pollfd waiting{.fd = process.get(), .events = POLLIN, .revents = 0};
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    while (true) {
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until - std::chrono::steady_clock::now());
        int n = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (n > 0) return true;
        if (n == 0 || errno != EINTR) return false;
    }
}

Result<void> check_store_owner(const std::string& store) {
    struct stat status {};
    if (::stat(store.c_str(), &status) != 0) return Error::from_errno(errno, "open store " + store);
    if (status.st_uid == ::geteuid()) return done();
    return Error(Errc::kAccessDenied,
                 fmt::format("store {0} belongs to uid {1}, and files made in it by uid {2} would "
                             "lock that user out; run the same as uid {1}",
                             store, status.st_uid, ::geteuid()));
}

Result<StoreLock> StoreLock::acquire(const std::string& store, int wait_ms) {
    RF_CHECK(check_store_owner(store));
    RF_TRY(Fd fd, open_lock(store, O_RDWR | O_CREAT));
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return Error::from_errno(errno, "lock " + lock_path(store));
        const LockRecord record = holder_of(fd.get());
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                              until - std::chrono::steady_clock::now())
                              .count();
        // A daemon in service stays; one that starts or stops, and a short command, are worth
        // waiting for.
        const bool stays = !record.stopping && !record.socket.empty();
        if (stays || left <= 0) return held_by(store, record);
        const int step = static_cast<int>(std::min<std::int64_t>(left, kLookAgainMs));
        if (record.pid == 0 || record.pid == ::getpid())
            ::poll(nullptr, 0, step);
        else
            wait_for_exit(record.pid, step);
    }
    StoreLock lock(std::move(fd));
    return lock;
}

Result<void> StoreLock::describe_as(const LockRecord& record) {
    const std::string text = encode_lock_record(record);
    described_ = true;
    if (::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(fd_.get(), static_cast<off_t>(text.size())) != 0) {
        // On a read-only or full disk the lock itself still holds; only its description is missing.
        if (errno == EBADF || errno == EINVAL || errno == ENOSPC || errno == EDQUOT) return done();
        return Error::from_errno(errno, "write the lock file");
    }
    return done();
}

StoreLock::~StoreLock() {
    // Not to nothing: the file keeps its block, so that the next daemon can say on a full disk who
    // it is and where it listens.
    if (!fd_ || !described_) return;
    [[maybe_unused]] const auto blank = ::pwrite(fd_.get(), "\n", 1, 0);
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), 1);
}

Result<std::optional<LockRecord>> find_holder(const std::string& store) {
    Fd fd(::open(lock_path(store).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ENOENT) return std::optional<LockRecord>();
    if (!fd) return Error::from_errno(errno, "open " + lock_path(store));
    if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return std::optional<LockRecord>();
    if (errno != EWOULDBLOCK) return Error::from_errno(errno, "lock " + lock_path(store));
    return std::optional<LockRecord>(holder_of(fd.get()));
}

Result<void> check_not_served(const std::string& store) {
    RF_TRY(auto holder, find_holder(store));
    if (!holder || holder->stopping || holder->socket.empty()) return done();
    return held_by(store, *holder);
}

}  // namespace reelfs::app
