// Holds the calls of one kind on a SimDisk until the test lets each go, so that completions come in
// the order the test wants. Waits are on conditions; nothing sleeps.
#pragma once

#include <map>
#include <optional>

#include "reelfs/base/mutex.h"
#include "support/sim_disk.h"

namespace reelfs::test {

class CallGate {
  public:
    /// Takes the disk's hook. Must outlive all calls.
    CallGate(SimDisk& disk, DiskCall kind) : disk_(disk), first_(disk.calls(kind)) {
        disk.set_hook([this, kind](const CallInfo& call) -> std::optional<DiskFault> {
            if (call.kind != kind) return std::nullopt;
            return pass(call.nth_of_kind - first_);
        });
    }
    ~CallGate() { open(); }

    /// Returns when `count` calls have come, counted from the gate's making.
    void await(std::uint64_t count) {
        MutexLock lock(mutex_);
        while (arrived_ < count) changed_.wait(mutex_);
    }
    /// Lets the n-th call (from 1) go on, or fail.
    void release(std::uint64_t n, std::optional<DiskFault> fault = std::nullopt) {
        MutexLock lock(mutex_);
        released_[n] = fault;
        changed_.notify_all();
    }
    /// Holds nothing from now on.
    void open() {
        MutexLock lock(mutex_);
        open_ = true;
        changed_.notify_all();
        disk_.set_hook(nullptr);
    }

  private:
    std::optional<DiskFault> pass(std::uint64_t n) {
        MutexLock lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        while (!open_ && released_.count(n) == 0) changed_.wait(mutex_);
        auto released = released_.find(n);
        return released == released_.end() ? std::nullopt : released->second;
    }

    SimDisk& disk_;
    const std::uint64_t first_;
    Mutex mutex_;
    CondVar changed_;
    std::uint64_t arrived_ GUARDED_BY(mutex_) = 0;
    bool open_ GUARDED_BY(mutex_) = false;
    std::map<std::uint64_t, std::optional<DiskFault>> released_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::test
