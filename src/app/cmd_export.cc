// `reelfs export`. The daemon that serves the store writes directories and archives itself; for an
// archive on stdout, and for one of root's where the daemon is somebody else, it writes into a FIFO
// that this process reads.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "app/commands.h"
#include "app/job_client.h"
#include "app/paths.h"
#include "app/privileges.h"
#include "app/store_owner.h"
#include "app/text.h"

namespace reelfs::app {

namespace {

constexpr int kLookAgainMs = 100;

/// A FIFO in a folder of our own, and a thread that copies what comes through it to a descriptor.
class ArchivePipe {
  public:
    /// `owner`: who else may write into it.
    static Result<std::unique_ptr<ArchivePipe>> make(unsigned owner, int out) {
        ::signal(SIGPIPE, SIG_IGN);  // out may be closed: that is an error, not our end
        const char* parent = std::getenv("TMPDIR");
        std::string folder =
            fmt::format("{}/reelfs-XXXXXX", parent != nullptr && *parent == '/' ? parent : "/tmp");
        if (::mkdtemp(folder.data()) == nullptr)
            return Error::from_errno(errno, "make a folder like " + folder);
        auto pipe = std::unique_ptr<ArchivePipe>(new ArchivePipe(folder, out));
        if (::mkfifo(pipe->path().c_str(), 0600) != 0)
            return Error::from_errno(errno, "make " + pipe->path());
        pipe->reader_ =
            Fd(::open(pipe->path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
        if (!pipe->reader_) return Error::from_errno(errno, "open " + pipe->path());
        // The folder stays ours: who could change names in it could have us remove other files.
        if (owner != ::geteuid() &&
            (::fchown(pipe->reader_.get(), owner, static_cast<gid_t>(-1)) != 0 ||
             ::chmod(folder.c_str(), 0711) != 0))
            return Error::from_errno(errno, "give away " + pipe->path());
        pipe->thread_ = std::thread([p = pipe.get()] { p->copy(); });
        return pipe;
    }
    ~ArchivePipe() {
        finish();
        ::unlink(path().c_str());
        ::rmdir(folder_.c_str());
    }
    ArchivePipe(const ArchivePipe&) = delete;
    ArchivePipe& operator=(const ArchivePipe&) = delete;

    std::string path() const { return folder_ + "/archive.tar"; }
    /// The writer has ended: what is left in the pipe goes out. False when it did not take all.
    bool finish() {
        over_ = true;
        if (thread_.joinable()) thread_.join();
        return !failed_;
    }

  private:
    ArchivePipe(std::string folder, int out) : folder_(std::move(folder)), out_(out) {}

    void copy() {
        std::array<char, 1 << 16> piece{};
        while (true) {
            const bool last = over_;
            pollfd waiting{.fd = reader_.get(), .events = POLLIN, .revents = 0};
            ::poll(&waiting, 1, last ? 0 : kLookAgainMs);
            const ssize_t n = ::read(reader_.get(), piece.data(), piece.size());
            if (n > 0) {
                write_out(piece.data(), static_cast<std::size_t>(n));
            } else if (last) {
                return;
            } else if (n == 0 && (waiting.revents & POLLHUP) != 0) {
                ::poll(nullptr, 0, kLookAgainMs);  // the writer is gone: the job's end tells more
            }
        }
    }
    void write_out(const char* bytes, std::size_t size) {
        while (size > 0 && !failed_) {
            const ssize_t n = ::write(out_, bytes, size);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) {
                failed_ = true;
                reader_.reset();  // the writer gets EPIPE
                return;
            }
            bytes += n;
            size -= static_cast<std::size_t>(n);
        }
    }

    const std::string folder_;
    const int out_;
    Fd reader_;
    std::atomic<bool> over_{false};
    std::atomic<bool> failed_{false};
    std::thread thread_;
};

Answer do_export(Machine& machine, const ExportArguments& arguments) {
    RF_TRY(const StoreName store, find_store(machine, arguments.store.store));
    request::JobStart wanted{.name = "export", .container = arguments.container};
    RF_TRY(const Identity owner, owner_of(store.path));
    Fd archive;
    if (arguments.destination != "-") {
        RF_TRY(wanted.directory, real_path(arguments.destination));
        if (is_inside(wanted.directory, store.path))
            return Error(Errc::kInvalid, fmt::format("{} is inside the store", wanted.directory));
        const bool for_root = ::geteuid() == 0 && owner.uid != 0;
        if (!for_root || !wanted.directory.ends_with(".tar")) {
            bool made = false;
            if (for_root) {
                RF_TRY(made, prepare_for_owner_of(store.path, wanted.directory));
            }
            auto answer =
                run_job(machine, store, arguments.store.keys, wanted, arguments.store.json);
            if (!answer && made) ::rmdir(wanted.directory.c_str());  // unless something is in it
            return answer;
        }
        archive = Fd(::open(wanted.directory.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!archive) return Error::from_errno(errno, "make " + wanted.directory);
    } else if (::isatty(STDOUT_FILENO) != 0) {
        return Error(Errc::kInvalid, "an archive is not written to a terminal");
    }
    const std::string own_archive = archive ? wanted.directory : "";
    RF_TRY(auto pipe, ArchivePipe::make(owner.uid, archive ? archive.get() : STDOUT_FILENO));
    wanted.directory = pipe->path();
    auto answer = run_job(machine, store, arguments.store.keys, wanted, arguments.store.json);
    const bool whole = pipe->finish();
    if (!whole && answer)
        answer = Error(Errc::kIo, fmt::format("{} did not take the whole archive",
                                              archive ? arguments.destination : "stdout"));
    if (archive && answer && ::fsync(archive.get()) != 0)
        answer = Error::from_errno(errno, "sync the archive");
    if (!answer && archive) ::unlink(own_archive.c_str());
    return answer;
}

}  // namespace

Exit run_export(Machine& machine, const ExportArguments& arguments) {
    auto result = do_export(machine, arguments);
    if (!result) return fail(result.error());
    // Stdout may be the archive.
    std::FILE* const out = arguments.destination == "-" ? stderr : stdout;
    const Json problems = result->value("problems", Json::array());
    if (arguments.store.json) {
        fmt::print(out, "{}\n", dump_json(*result, 2));
    } else {
        for (const Json& line : problems)
            if (line.is_string()) fmt::print(stderr, "reelfs: {}\n", line.get<std::string>());
        fmt::print(out, "exported {} names, {}\n", number_member(*result, "entries", 0),
                   format_size(number_member(*result, "bytes", 0)));
    }
    return problems.empty() ? Exit::kOk : Exit::kFailed;
}

}  // namespace reelfs::app
