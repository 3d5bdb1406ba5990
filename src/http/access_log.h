// The access log: one line of JSON for each request on data, in MediaStore's format.
//
//     {"AWSAccountId":"000000000000","BytesReceived":0,"BytesSent":19,"ContainerName":"live",...}
//
// Lines go through a bounded queue to a thread of their own, so that no request ever waits for the
// file. When the disk cannot follow, lines are dropped, counted, and the log of the daemon says how
// many. reopen() is for rotation: the file was renamed, and its name is to be a new one.
//
// Threads: write() and dropped() from any; "http-log" is the only one that touches the file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "reelfs/base/clock.h"
#include "reelfs/base/fd.h"
#include "reelfs/base/mutex.h"
#include "reelfs/base/result.h"
#include "reelfs/http/server.h"

namespace reelfs::http {

/// Views: for as long as the line is made.
struct AccessRecord {
    std::string_view account;
    std::string_view container;
    std::string_view operation;  // "GetObject"
    std::string path;            // "/folder/file" in the container, "" for none
    std::string_view request_id;
    std::optional<std::string> requester;  // an ARN or "anonymous"; none: authentication failed
    std::optional<std::string> source;     // the client's address
    int status = 200;
    std::string_view error;  // "" for none
    std::optional<Timestamp> expires;
    Timestamp received;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::int64_t total_ns = 0;
    std::int64_t turnaround_ns = 0;
};

/// With its line break. What is not UTF-8 becomes U+FFFD.
std::string access_line(const AccessRecord& record);

class AccessLog {
  public:
    using OpenFile = std::function<Result<Fd>(const std::string&)>;
    /// Appends to the file; makes it, for its owner only. `queue_bytes_max`: of lines that wait.
    static Result<std::unique_ptr<AccessLog>> open(std::string path, std::size_t queue_bytes_max,
                                                   OpenFile open_file = open_log_file);
    /// What waits is written first.
    ~AccessLog();
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    /// Never blocks.
    void write(std::string_view line) EXCLUDES(mutex_);
    /// Lines from now on go to the file that has the name now; it is made if there is none. On
    /// failure they go on to the former.
    Result<void> reopen() EXCLUDES(mutex_);
    std::uint64_t dropped() const EXCLUDES(mutex_);

  private:
    AccessLog(std::string path, std::size_t queue_bytes_max, OpenFile open_file, Fd file);
    void run() noexcept;
    /// How many of the lines could not be written; that there are some is told once.
    std::uint64_t write_out(int file, std::string_view lines);

    const std::string path_;
    const OpenFile open_file_;
    const std::size_t queue_bytes_max_;

    mutable Mutex mutex_;  // a leaf
    CondVar changed_;
    std::string waiting_ GUARDED_BY(mutex_);
    std::shared_ptr<const Fd> file_ GUARDED_BY(mutex_);
    std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
    bool ending_ GUARDED_BY(mutex_) = false;

    bool torn_ = false;     // the thread's: the file ends within a line
    bool failing_ = false;  // the thread's
    std::thread thread_;
};

}  // namespace reelfs::http
