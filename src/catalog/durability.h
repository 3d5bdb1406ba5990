// What of the log is durable, and the one place where the log is synced.
//
// Group commit: a caller of sync() whose commit came after the running fdatasync began waits for
// the next one, which one of the waiters runs for all of them. fdatasync calls never overlap: the
// kernel reports a failed write-back once per descriptor, so of two overlapping calls one could
// return success for bytes that are lost.
//
// Marks: every frame is sealed with the number of frames of its generation of the log that were
// committed and durable at that time (see log_scan.h for what it proves). Thread-safe. Lock order:
// the connection's lock, then these.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "reelfs/base/disk.h"
#include "reelfs/base/mutex.h"
#include "reelfs/base/result.h"

namespace reelfs::catalog {

/// The first write or sync that failed, for good. After it the files may differ from what the
/// kernel's cache shows, so nothing more is written until the store is opened anew.
class Failure {
  public:
    /// Keeps the first, logs it.
    void set(const Error& error);
    bool failed() const { return failed_.load(std::memory_order_acquire); }
    /// kReadOnly, with the first failure's words.
    Error error() const;

  private:
    std::atomic<bool> failed_{false};
    mutable Mutex mutex_;
    std::optional<Error> first_ GUARDED_BY(mutex_);
};

class Durability {
  public:
    explicit Durability(Failure& failure) : failure_(failure) {}

    /// The log's file, once it is open, with so many frames committed and durable; shared because
    /// sync() runs outside the connection's lock.
    void attach(std::shared_ptr<File> log, std::uint32_t durable_frames);
    /// A transaction is in the kernel whose last frame is `frame`.
    void note_commit(std::uint32_t frame);
    /// The log starts again at frame 1.
    void note_restart();
    /// Frames of this generation that are committed and durable.
    std::uint32_t durable_frames() const { return durable_frames_.load(std::memory_order_relaxed); }

    /// Everything committed before this call is durable on success.
    Result<void> sync();
    /// Syncs whatever was written, committed or not: what SQLite asks for around a checkpoint.
    Result<void> sync_now();

    std::uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

  private:
    struct Point {
        std::uint64_t commits = 0;
        std::uint64_t generation = 0;
        std::uint32_t frames = 0;
    };
    Result<void> run_sync() REQUIRES(mutex_);

    Failure& failure_;
    std::atomic<std::uint32_t> durable_frames_{0};
    std::atomic<std::uint64_t> syncs_{0};

    Mutex mutex_;
    CondVar finished_;
    std::shared_ptr<File> log_ GUARDED_BY(mutex_);
    Point committed_ GUARDED_BY(mutex_);
    std::uint64_t durable_commits_ GUARDED_BY(mutex_) = 0;
    bool running_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::catalog
