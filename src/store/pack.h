// One pack that this process made and may still write: reserves regions, writes them, and shares
// syncs between those who wait. Any thread may call anything; the mutex covers bookkeeping only and
// is never held across I/O.
//
// Syncs run one at a time, in rounds. A caller of sync() needs a round that began after its call
// (a running one may have begun before its put returned): it starts one when none runs, else waits
// for the running one and then for the next, which one of the waiters performs for all.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "reelfs/base/disk.h"
#include "reelfs/base/mutex.h"
#include "reelfs/store/extent_store.h"
#include "store/write_ledger.h"

namespace reelfs::store {

class Pack {
  public:
    /// `make_name_durable` runs before the first sync, perhaps in several threads over time, never
    /// in two at once.
    Pack(PackId id, PackUse use, std::shared_ptr<File> file,
         std::function<Result<void>()> make_name_durable);

    Result<Location> put(std::span<const Bytes> pieces) EXCLUDES(mutex_);
    /// The durable end; kIo for ever after one failure.
    Result<std::uint64_t> sync() EXCLUDES(mutex_);
    void close() EXCLUDES(mutex_);

    /// Closed, nothing in flight and all content durable: nothing is left to know about it.
    bool finished() const EXCLUDES(mutex_);
    const std::shared_ptr<File>& file() const { return file_; }

  private:
    Result<std::uint64_t> reserve(std::uint64_t length) EXCLUDES(mutex_);
    Error failed() const;

    const PackId id_;
    const PackUse use_;
    const std::shared_ptr<File> file_;
    const std::function<Result<void>()> make_name_durable_;

    mutable Mutex mutex_;
    CondVar round_ended_;
    WriteLedger ledger_ GUARDED_BY(mutex_);
    std::uint64_t rounds_begun_ GUARDED_BY(mutex_) = 0;
    std::uint64_t rounds_ended_ GUARDED_BY(mutex_) = 0;  // equal: no sync is running
    bool name_durable_ GUARDED_BY(mutex_) = false;
    bool failed_ GUARDED_BY(mutex_) = false;
    bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::store
