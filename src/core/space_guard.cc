#include "core/space_guard.h"

#include <algorithm>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {
constexpr std::int64_t kMeasureEveryNs = 200'000'000;
constexpr std::uint64_t kHeadroom =
    limits::wal_checkpoint_forced_bytes;  // for the catalog's log and its checkpoint
}  // namespace

SpaceGuard::SpaceGuard(Disk& disk, const Clock& clock, store::ExtentStore& store,
                       const content::DirtyBudget& budget, std::string directory)
    : disk_(disk),
      clock_(clock),
      store_(store),
      budget_(budget),
      directory_(std::move(directory)) {}

Result<void> SpaceGuard::check_room(std::uint64_t bytes) {
    const std::uint64_t waiting = budget_.used();
    MutexLock lock(mutex_);
    const std::int64_t now = clock_.monotonic_ns();
    if (now - measured_at_ns_ > kMeasureEveryNs || taken_since_ > free_bytes_ / 8) {
        RF_TRY(store::StoreSpace space, store_.space());
        free_bytes_ = space.free_bytes;
        measured_at_ns_ = now;
        taken_since_ = 0;
    }
    // Sealing adds tags and headers: 1/64 is generous for blocks of 4 KiB and more.
    const std::uint64_t need = waiting + taken_since_ + bytes;
    if (need + need / 64 + kHeadroom > free_bytes_) {
        measured_at_ns_ = INT64_MIN / 2;
        return Error(Errc::kNoSpace,
                     "the disk is full: delete something, or add room to the volume");
    }
    taken_since_ += bytes;
    return done();
}

Result<void> SpaceGuard::check_room_for_names() {
    if (reserve_is_whole_.load(std::memory_order_relaxed)) return done();
    MutexLock lock(mutex_);
    refill();
    if (reserve_is_whole_.load(std::memory_order_relaxed)) return done();
    RF_TRY(const DiskSpace space, disk_.space(directory_));
    if (space.free_bytes >= kHeadroom) return done();
    return Error(Errc::kNoSpace, "the disk is full: delete something, or add room to the volume");
}

bool SpaceGuard::release_reserve() {
    MutexLock lock(mutex_);
    reserve_is_whole_ = false;
    return release_reserve_of(disk_, directory_);
}

bool SpaceGuard::release_reserve_of(Disk& disk, const std::string& directory) {
    auto file = disk.open(directory + "/reserve", OpenMode::kReadWrite);
    if (!file) return false;
    auto size = (*file)->size();
    if (!size || *size == 0) return false;
    if (auto released = (*file)->truncate(0); !released) {
        log::error("the reserve file cannot be released: {}", released.error().message());
        return false;
    }
    log::warning("the disk is full: the reserve of {} MiB serves deletes and checkpoints now",
                 *size >> 20);
    return true;
}

void SpaceGuard::refill_reserve() {
    MutexLock lock(mutex_);
    refill();
}

void SpaceGuard::refill() {
    auto file = disk_.open(directory_ + "/reserve", OpenMode::kCreate);
    if (!file) {
        log::warning("no reserve file: {}", file.error().message());
        return;
    }
    auto size = (*file)->size();
    if (!size) return;
    if (*size >= limits::reserve_file_bytes) {
        reserve_is_whole_ = true;
        return;
    }
    auto space = disk_.space(directory_);
    if (!space || space->free_bytes < 2 * limits::reserve_file_bytes + kHeadroom) return;
    if (auto filled = (*file)->allocate(0, limits::reserve_file_bytes); !filled)
        log::warning("the reserve file cannot be refilled: {}", filled.error().message());
    else
        reserve_is_whole_ = true;
}

std::uint64_t SpaceGuard::reserve_bytes() const {
    auto file = disk_.open(directory_ + "/reserve", OpenMode::kRead);
    if (!file) return 0;
    return (*file)->size().ok() ? (*file)->size().value() : 0;
}

void SpaceGuard::remeasure() {
    MutexLock lock(mutex_);
    measured_at_ns_ = INT64_MIN / 2;
}

}  // namespace reelfs::core
