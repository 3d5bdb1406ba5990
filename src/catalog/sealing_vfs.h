// The SQLite VFS over reelfs::Disk whose files are sealed pages. One is registered for each open
// catalog, under a name of its own, and knows two files: the database and its log. Any other file
// (journals, temporary files) is refused, so nothing plain can reach the disk by a way we forgot.
//
// Locks do nothing: the store's lock file keeps other processes out, and one connection is all
// there is. No shared memory: with locking_mode=EXCLUSIVE the index of the log is on the heap.
//
// SQLite's callbacks are C: nothing is thrown through them. Results become SQLite codes here and
// nowhere else; last_error() keeps the words. Used under the connection's lock.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "catalog/durability.h"
#include "catalog/log_scan.h"
#include "reelfs/base/disk.h"
#include "reelfs/base/random.h"
#include "reelfs/crypto/page_seal.h"

struct sqlite3_vfs;

namespace reelfs::catalog {

class LogFile;

class SealingVfs {
  public:
    struct Parts {
        Disk& disk;
        Random& random;
        crypto::PageSealer& sealer;
        Failure& failure;
        Durability& durability;
    };
    /// Serves `database_path` and its log, in which `found` was found.
    SealingVfs(Parts parts, std::string database_path, LogScan found);
    ~SealingVfs();
    SealingVfs(const SealingVfs&) = delete;
    SealingVfs& operator=(const SealingVfs&) = delete;

    /// What to give sqlite3_open_v2.
    const char* name() const { return name_.c_str(); }
    const std::string& database_path() const { return database_path_; }
    std::string log_path() const { return database_path_ + "-wal"; }
    /// The open log, or null.
    LogFile* log() const { return log_; }
    /// The last error a callback translated, taken away.
    std::optional<Error> take_last_error();

  private:
    friend struct VfsCalls;

    const Parts parts_;
    const std::string database_path_;
    const LogScan found_;
    const std::string name_;
    std::unique_ptr<sqlite3_vfs> vfs_;
    LogFile* log_ = nullptr;
    std::optional<Error> last_error_;
};

}  // namespace reelfs::catalog
