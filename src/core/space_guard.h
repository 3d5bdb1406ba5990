// Room on the disks. A write reserves room for its bytes before they are taken, so that a full disk
// is told at the write and not at close; a reserve file keeps room for deletes and checkpoints,
// which must work at 100 %. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "reelfs/base/clock.h"
#include "reelfs/base/disk.h"
#include "reelfs/base/mutex.h"
#include "reelfs/content/dirty_budget.h"
#include "reelfs/store/extent_store.h"

namespace reelfs::core {

class SpaceGuard {
  public:
    SpaceGuard(Disk& disk, const Clock& clock, store::ExtentStore& store,
               const content::DirtyBudget& budget, std::string directory);

    /// kNoSpace when `bytes` more, sealed, would not leave the headroom that metadata needs.
    Result<void> check_room(std::uint64_t bytes) EXCLUDES(mutex_);
    /// For names and attributes, which take little. kNoSpace when the reserve has been given away
    /// and the volume of the catalog is nearly full: what is left is for deletes.
    Result<void> check_room_for_names() EXCLUDES(mutex_);
    /// Gives the reserve file's room to the volume; true when there was any to give.
    bool release_reserve() EXCLUDES(mutex_);
    /// The same before there is a guard: while the store is being opened.
    static bool release_reserve_of(Disk& disk, const std::string& directory);
    /// Puts the reserve back when there is room for it; before anything else may use that room.
    void refill_reserve() EXCLUDES(mutex_);
    /// Room that the reserve file holds now.
    std::uint64_t reserve_bytes() const;
    /// Forgets what was measured: room has been given back.
    void remeasure() EXCLUDES(mutex_);

  private:
    void refill() REQUIRES(mutex_);

    Disk& disk_;
    const Clock& clock_;
    store::ExtentStore& store_;
    const content::DirtyBudget& budget_;
    const std::string directory_;
    std::atomic<bool> reserve_is_whole_{false};
    Mutex mutex_;
    std::int64_t measured_at_ns_ GUARDED_BY(mutex_) = INT64_MIN / 2;
    std::uint64_t free_bytes_ GUARDED_BY(mutex_) = 0;
    std::uint64_t taken_since_ GUARDED_BY(mutex_) = 0;
};

}  // namespace reelfs::core
