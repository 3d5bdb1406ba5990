#include "http/access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "http/http_date.h"
#include "reelfs/base/log.h"

namespace reelfs::http {

namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::optional<std::string>& text) {
    return text ? Json(*text) : Json(nullptr);
}

std::int64_t milliseconds(std::int64_t ns) {
    return ns / 1'000'000;
}

}  // namespace

std::string access_line(const AccessRecord& record) {
    Json line{{"AWSAccountId", record.account},
              {"BytesReceived", record.bytes_received},
              {"BytesSent", record.bytes_sent},
              {"ContainerName", record.container},
              {"ErrorCode", record.error.empty() ? Json(nullptr) : Json(record.error)},
              {"ExpiresAt", record.expires ? Json(format_iso_date(record.expires->ns)) : Json()},
              {"HTTPStatus", record.status},
              {"Operation", record.operation},
              {"Path", record.path.empty() ? "-" : record.path},
              {"ReceivedTime", format_iso_date(record.received.ns)},
              {"RequestID", record.request_id},
              {"Source", text_or_null(record.source)},
              {"TotalTime", milliseconds(record.total_ns)},
              {"TurnAroundTime", milliseconds(record.turnaround_ns)}};
    if (record.requester) line["Requester"] = *record.requester;
    return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Fd> open_log_file(const std::string& path) {
    Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
    if (!file) return Error::from_errno(errno, "open the access log " + path);
    return file;
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(std::string path, std::size_t queue_bytes_max,
                                                   OpenFile open_file) {
    RF_TRY(Fd file, open_file(path));
    return std::unique_ptr<AccessLog>(
        new AccessLog(std::move(path), queue_bytes_max, std::move(open_file), std::move(file)));
}

AccessLog::AccessLog(std::string path, std::size_t queue_bytes_max, OpenFile open_file, Fd file)
    : path_(std::move(path)),
      open_file_(std::move(open_file)),
      queue_bytes_max_(queue_bytes_max),
      file_(std::make_shared<const Fd>(std::move(file))),
      thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
    {
        MutexLock lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void AccessLog::write(std::string_view line) {
    {
        MutexLock lock(mutex_);
        if (waiting_.size() + line.size() > queue_bytes_max_) {
            ++dropped_;
            return;
        }
        const bool awake = !waiting_.empty();
        waiting_.append(line);
        if (awake) return;
    }
    changed_.notify_one();
}

Result<void> AccessLog::reopen() {
    RF_TRY(Fd file, open_file_(path_));
    auto fresh = std::make_shared<const Fd>(std::move(file));
    MutexLock lock(mutex_);
    file_ = std::move(fresh);
    return done();
}

std::uint64_t AccessLog::dropped() const {
    MutexLock lock(mutex_);
    return dropped_;
}

void AccessLog::run() noexcept {
    ::pthread_setname_np(::pthread_self(), "http-log");
    std::uint64_t told = 0;
    std::string lines;
    for (bool more = true; more;) {
        std::shared_ptr<const Fd> file;
        {
            MutexLock lock(mutex_);
            while (waiting_.empty() && !ending_) changed_.wait(mutex_);
            more = !waiting_.empty();
            lines.clear();
            std::swap(lines, waiting_);
            file = file_;
        }
        const std::uint64_t lost = write_out(file->get(), lines);
        std::uint64_t dropped = 0;
        {
            MutexLock lock(mutex_);
            dropped = dropped_ += lost;
        }
        // While it goes on, each time there are twice as many: the log of the daemon must not fill.
        if (dropped > told && (dropped >= 2 * told || !more)) {
            log::warning("access log: {} lines had to be dropped so far", dropped);
            told = dropped;
        }
    }
}

std::uint64_t AccessLog::write_out(int file, std::string_view lines) {
    if (lines.empty()) return 0;
    // After a line that was cut short the next one begins on its own.
    bool ready = !torn_ || ::write(file, "\n", 1) == 1;
    while (ready && !lines.empty()) {
        const ssize_t n = ::write(file, lines.data(), lines.size());
        if (n < 0 && errno == EINTR) continue;
        ready = n > 0;
        if (!ready) break;
        torn_ = lines[static_cast<std::size_t>(n) - 1] != '\n';
        lines.remove_prefix(static_cast<std::size_t>(n));
    }
    if (lines.empty()) {
        if (std::exchange(failing_, false)) log::info("access log: it can be written again");
        return 0;
    }
    if (!std::exchange(failing_, true))
        log::error("{}; lines are dropped until it can be written",
                   Error::from_errno(errno, "write the access log " + path_).message());
    return static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace reelfs::http
