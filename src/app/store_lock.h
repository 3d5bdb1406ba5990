// One process per store: STORE/lock, held with flock(2) for the life of the process and described
// in JSON inside, so that the second one can name the first.
//
//     {"pid":412,"mountpoint":"/srv/reelfs","http":"127.0.0.1:8787","admin":"",
//      "socket":"/run/reelfs/6f..sock","started":"2026-03-04T05:06:07Z","stopping":false}
//
// Only a daemon describes itself; a short command leaves the file untouched, and is known by the
// kernel's list of locks. The file is never removed: removing it would let two processes lock two
// files of one name. The record is meaningful only while somebody holds the lock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reelfs/base/fd.h"
#include "reelfs/base/result.h"

namespace reelfs::app {

struct LockRecord {
    int pid = 0;
    std::string mountpoint;  // "" while only serving
    std::string http;        // address:port, or ""
    std::string https;       // address:port, or ""
    std::string admin;       // address:port, or ""
    std::string socket;      // control socket, or "" for a short command
    std::string started;
    bool stopping = false;

    bool operator==(const LockRecord&) const = default;
};

std::string encode_lock_record(const LockRecord& record);
/// Nothing for what is no record (an old or torn one).
std::optional<LockRecord> decode_lock_record(std::string_view text);
/// "process 412, mounted at /srv/reelfs, http://127.0.0.1:8787/".
std::string describe(const LockRecord& record);
/// "http://127.0.0.1:8787/", or "".
std::string url_of(const std::string& address, std::string_view scheme = "http");

class StoreLock {
  public:
    /// Takes the lock. When the holder is stopping (or is a short command) waits for it, at most
    /// `wait_ms`; otherwise kBusy naming the holder and how to stop it. kNotFound: no such
    /// directory. kAccessDenied: the store belongs to another user (root included).
    static Result<StoreLock> acquire(const std::string& store, int wait_ms);

    /// Replaces the record.
    Result<void> describe_as(const LockRecord& record);

    StoreLock(StoreLock&&) noexcept = default;
    StoreLock& operator=(StoreLock&&) noexcept = default;
    /// Empties the record and lets go.
    ~StoreLock();

  private:
    explicit StoreLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
    bool described_ = false;
};

/// Who holds the store now; nothing when nobody does. Of a holder that has not described itself (a
/// short command, a daemon that starts) only the pid is known, or 0.
Result<std::optional<LockRecord>> find_holder(const std::string& store);

/// kBusy, naming the daemon, when one is in service. Only a look: acquire() decides.
Result<void> check_not_served(const std::string& store);

/// Waits until the process is gone, at most `wait_ms`. True when it is.
bool wait_for_exit(int pid, int wait_ms);

}  // namespace reelfs::app
