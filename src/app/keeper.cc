#include "app/keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <span>
#include <thread>

#include "app/paths.h"
#include "app/unix_socket.h"
#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kSaidBytesMax = 8 * 1024;
constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kDescriptorsMax = 64;

/// A daemon that was killed is gone within this, and the end of its socket says so, unless one of
/// its threads waits in the kernel for the mount.
constexpr int kStuckAfterMs = 1'000;
/// In the keeper.
constexpr int kSocketOfDaemon = 3;

struct OrderMessage {
    Keeper::Order order;
    std::uint32_t which;
};

/// In front of the words of an error.
struct AnswerMessage {
    std::uint8_t failed;
    Errc code;
};

/// Sends one message, with descriptors.
bool send_message(int socket, std::string_view bytes, std::span<const int> fds) {
    iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorsMax * sizeof(int))> room{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = room.data();
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(bytes.size());
}

struct Message {
    std::string bytes;  // empty: the other side is gone
    std::vector<Fd> fds;
};

Message receive_message(int socket) {
    Message received;
    received.bytes.resize(kSaidBytesMax + sizeof(AnswerMessage));
    iovec piece{.iov_base = received.bytes.data(), .iov_len = received.bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorsMax * sizeof(int))> room{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    received.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return received;
    std::vector<int> numbers((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
    for (int number : numbers) received.fds.emplace_back(number);
    return received;
}

}  // namespace

/// Tells one process that the main thread of the other has ended, which nothing else does while
/// another thread of it cannot end: a robust mutex in memory of both, held for life.
class LifeSign {
  public:
    /// Held by the calling thread from now on.
    static Result<std::unique_ptr<LifeSign>> start() {
        void* memory = ::mmap(nullptr, sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return Error::from_errno(errno, "share memory with the keeper");
        auto* mutex = new (memory) pthread_mutex_t;
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(mutex, &attributes);
        pthread_mutexattr_destroy(&attributes);
        pthread_mutex_lock(mutex);
        return std::unique_ptr<LifeSign>(new LifeSign(mutex));
    }
    /// By the thread that started it.
    ~LifeSign() {
        pthread_mutex_unlock(mutex_);
        ::munmap(mutex_, sizeof *mutex_);
    }
    LifeSign(const LifeSign&) = delete;
    LifeSign& operator=(const LifeSign&) = delete;

    /// In the other process: returns when that thread has ended.
    void wait_for_end() { pthread_mutex_lock(mutex_); }

  private:
    explicit LifeSign(pthread_mutex_t* mutex) : mutex_(mutex) {}
    pthread_mutex_t* const mutex_;
};

namespace {

// The keeper's side

/// The folder is root's and everybody may pass through it; the socket is the owner's.
Result<Fd> make_control_socket(const std::string& path, const Identity& owner) {
    const std::string folder = parent_path(path);
    RF_CHECK(make_directories(folder, 0711));
    struct stat status {};
    if (::stat(folder.c_str(), &status) == 0 && status.st_uid == ::geteuid() &&
        (status.st_mode & 0111) != 0111 && ::geteuid() == 0)
        ::chmod(folder.c_str(), (status.st_mode & 07777) | 0111);  // an earlier version's
    RF_TRY(Fd socket, listen_unix(path));
    if (::lchown(path.c_str(), owner.uid, owner.gid) != 0)
        return Error::from_errno(errno, "give the control socket to the store's owner");
    return socket;
}

Result<Fd> open_file(const std::string& path, int flags) {
    Fd file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    if (!file) return Error::from_errno(errno, path);
    return file;
}

using Descriptors = std::vector<Fd>;

Result<Descriptors> one(Result<Fd> opened) {
    if (!opened) return std::move(opened).error();
    Descriptors list;
    list.push_back(std::move(opened).value());
    return list;
}

Result<Descriptors> none(Result<void> outcome) {
    if (!outcome) return std::move(outcome).error();
    return Descriptors();
}

class KeeperProcess {
  public:
    explicit KeeperProcess(const KeeperDuties& duties) : duties_(duties) {
        if (duties.mount) attachment_ = fuse::local_attachment(*duties.mount);
    }

    Result<Descriptors> carry_out(const OrderMessage& message) {
        const std::size_t which = message.which;
        switch (message.order) {
            case Keeper::Order::kAttach:
                if (attachment_ == nullptr) break;
                return attach();
            case Keeper::Order::kTune:
                if (attachment_ == nullptr) break;
                attachment_->tune();
                return Descriptors();
            case Keeper::Order::kDetach:
            case Keeper::Order::kDetachLazily:
                if (attachment_ == nullptr) break;
                return none(attachment_->detach(message.order == Keeper::Order::kDetachLazily));
            case Keeper::Order::kAbandon:
            case Keeper::Order::kAbandonAlive:
                if (attachment_ == nullptr) break;
                attachment_->abandon(message.order == Keeper::Order::kAbandonAlive);
                return Descriptors();
            case Keeper::Order::kBind:
                if (which >= duties_.endpoints.size()) break;
                return one(http::bind_endpoint(duties_.endpoints[which]));
            case Keeper::Order::kRead:
                if (which >= duties_.read.size()) break;
                return one(open_file(duties_.read[which], O_RDONLY));
            case Keeper::Order::kAppend:
                if (which >= duties_.append.size()) break;
                return one(open_file(duties_.append[which], O_WRONLY | O_CREAT | O_APPEND));
            case Keeper::Order::kControlSocket:
                if (duties_.control_socket.empty()) break;
                return one(make_control_socket(duties_.control_socket, duties_.owner));
            case Keeper::Order::kRemoveControlSocket:
                if (duties_.control_socket.empty()) break;
                ::unlink(duties_.control_socket.c_str());
                return Descriptors();
        }
        return Error(Errc::kInvalid, "not among the keeper's duties");
    }

    /// From another thread, when the daemon has ended and a thread of it waits in the kernel for an
    /// answer that nobody will give: without this, it and whoever uses the mount waited for ever.
    void end_mount() {
        if (attached_.load(std::memory_order_acquire)) attachment_->abandon(true);
    }

  private:
    Result<Descriptors> attach() {
        auto devices = attachment_->attach();
        if (devices) attached_.store(true, std::memory_order_release);
        return devices;
    }

    const KeeperDuties& duties_;
    std::unique_ptr<fuse::Attachment> attachment_;
    std::atomic<bool> attached_{false};  // and the attachment changes no more
};

void answer(int socket, const Result<Descriptors>& outcome) {
    AnswerMessage header{.failed = !outcome, .code = Errc::kIo};
    std::string said;
    if (!outcome) {
        header.code = outcome.error().code();
        said = outcome.error().message().substr(0, kSaidBytesMax);
    }
    std::string bytes(sizeof header, '\0');
    std::memcpy(bytes.data(), &header, sizeof header);
    std::vector<int> fds;
    if (outcome)
        for (const Fd& fd : outcome.value()) fds.push_back(fd.get());
    send_message(socket, bytes + said, fds);
}

/// Its descriptors are those it makes itself: whatever the daemon's starter waits for is not held
/// up by it, and a mount's device, which it passes on, is not kept alive by it.
void keep_only(int socket) {
    static_assert(kSocketOfDaemon == STDERR_FILENO + 1);
    ::dup3(socket, kSocketOfDaemon, O_CLOEXEC);
    ::close_range(kSocketOfDaemon + 1, ~0u, 0);
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int standard = 0; standard < 3; ++standard) ::dup2(null.get(), standard);
}

[[noreturn]] void run_keeper(const KeeperDuties& duties, LifeSign& daemon, int socket) noexcept {
    ::prctl(PR_SET_NAME, "reelfs-keeper", 0, 0, 0);
    // What ends the daemon ends the keeper, and nothing else does: it is needed until then.
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(number, SIG_IGN);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::umask(077);
    keep_only(socket);
    if (::geteuid() == 0 && !keep_rights_of_keeper()) ::_exit(1);
    try {
        KeeperProcess keeper(duties);
        std::thread([&] {
            daemon.wait_for_end();
            pollfd hang_up{.fd = kSocketOfDaemon, .events = 0, .revents = 0};
            if (::poll(&hang_up, 1, kStuckAfterMs) == 0) keeper.end_mount();
        }).detach();
        while (true) {
            const Message received = receive_message(kSocketOfDaemon);
            OrderMessage order{};
            if (received.bytes.size() != sizeof order) break;
            std::memcpy(&order, received.bytes.data(), sizeof order);
            answer(kSocketOfDaemon, keeper.carry_out(order));
        }
    } catch (const std::exception&) {  // no memory: the daemon sees that its keeper is gone
    }
    ::_exit(0);
}

// The daemon's side

class KeptAttachment final : public fuse::Attachment {
  public:
    explicit KeptAttachment(Keeper& keeper) : keeper_(keeper) {}
    Result<Descriptors> attach() override { return keeper_.ask(Keeper::Order::kAttach); }
    void tune() override { note(keeper_.ask(Keeper::Order::kTune)); }
    Result<void> detach(bool lazily) override {
        auto outcome = keeper_.ask(lazily ? Keeper::Order::kDetachLazily : Keeper::Order::kDetach);
        if (!outcome) return std::move(outcome).error();
        return done();
    }
    void abandon(bool connection_alive) override {
        note(
            keeper_.ask(connection_alive ? Keeper::Order::kAbandonAlive : Keeper::Order::kAbandon));
    }

  private:
    static void note(const Result<Descriptors>& outcome) {
        if (!outcome) log::warning("mount: {}", outcome.error().message());
    }
    Keeper& keeper_;
};

template <class Element>
Result<std::size_t> index_of(const std::vector<Element>& list, const Element& wanted) {
    auto found = std::find(list.begin(), list.end(), wanted);
    if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
    return Error(Errc::kInvalid, "not among the keeper's duties");
}

}  // namespace

Keeper::Keeper(KeeperDuties duties, std::unique_ptr<LifeSign> life_sign, Fd socket, int pid)
    : duties_(std::move(duties)),
      life_sign_(std::move(life_sign)),
      pid_(pid),
      socket_(std::move(socket)) {}

Result<std::unique_ptr<Keeper>> Keeper::start(KeeperDuties duties,
                                              const std::function<void()>& forget) {
    RF_TRY(auto life_sign, LifeSign::start());
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return Error::from_errno(errno, "make a socket to the keeper");
    Fd ours(ends[0]);
    Fd theirs(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return Error::from_errno(errno, "start the keeper");
    if (child == 0) {
        forget();
        run_keeper(duties, *life_sign, theirs.get());
    }
    return std::unique_ptr<Keeper>(
        new Keeper(std::move(duties), std::move(life_sign), std::move(ours), child));
}

Keeper::~Keeper() {
    {
        MutexLock lock(mutex_);
        socket_.reset();
    }
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

Result<std::vector<Fd>> Keeper::ask(Order order, std::size_t which) {
    const OrderMessage message{order, static_cast<std::uint32_t>(which)};
    std::string bytes(sizeof message, '\0');
    std::memcpy(bytes.data(), &message, sizeof message);
    Message answered;
    {
        MutexLock lock(mutex_);
        if (send_message(socket_.get(), bytes, {})) answered = receive_message(socket_.get());
    }
    AnswerMessage header{};
    if (answered.bytes.size() < sizeof header)
        return Error(Errc::kIo, fmt::format("the keeper, process {}, is gone", pid_));
    std::memcpy(&header, answered.bytes.data(), sizeof header);
    if (header.failed != 0) return Error(header.code, answered.bytes.substr(sizeof header));
    return std::move(answered.fds);
}

Result<Fd> Keeper::ask_for_one(Order order, std::size_t which) {
    RF_TRY(auto fds, ask(order, which));
    if (fds.size() == 1) return std::move(fds.front());
    return Error(Errc::kIo, "the keeper sent no descriptor");
}

std::unique_ptr<fuse::Attachment> Keeper::attachment() {
    return std::make_unique<KeptAttachment>(*this);
}

Result<Fd> Keeper::bind(const http::Endpoint& endpoint) {
    RF_TRY(std::size_t which, index_of(duties_.endpoints, endpoint));
    return ask_for_one(Order::kBind, which);
}

Result<std::string> Keeper::read(const std::string& path) {
    RF_TRY(std::size_t which, index_of(duties_.read, path));
    RF_TRY(Fd file, ask_for_one(Order::kRead, which));
    std::string text(kFileBytesMax, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t n = ::read(file.get(), text.data() + length, text.size() - length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Error::from_errno(errno, path);
        if (n == 0) break;
        length += static_cast<std::size_t>(n);
    }
    text.resize(length);
    return text;
}

Result<Fd> Keeper::open_log(const std::string& path) {
    RF_TRY(std::size_t which, index_of(duties_.append, path));
    return ask_for_one(Order::kAppend, which);
}

Result<Fd> Keeper::control_socket() {
    return ask_for_one(Order::kControlSocket);
}

void Keeper::remove_control_socket() {
    if (auto removed = ask(Order::kRemoveControlSocket); !removed)
        log::warning("control socket: {}", removed.error().message());
}

}  // namespace reelfs::app
