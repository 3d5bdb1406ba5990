// A directory in which packs live, and the choice between several. Holds what is known about its
// 256 buckets and a figure of its free room; both are hints kept in atomics, so any thread may call
// anything.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/disk.h"
#include "reelfs/store/pack_store.h"

namespace reelfs::store {

class Zone {
  public:
    Zone(Disk& disk, ZoneDirectory directory);
    /// Makes `packs`, durably, and learns which buckets exist.
    Result<void> prepare();

    ZoneId id() const { return id_; }
    const std::string& path() const { return path_; }
    std::string pack_path(const PackId& pack) const;

    /// O_EXCL; makes the bucket when it is missing. Nothing is durable yet.
    Result<std::shared_ptr<File>> create(const PackId& pack);
    /// For reading, punching and syncing.
    Result<std::shared_ptr<File>> open(const PackId& pack);
    Result<bool> holds(const PackId& pack) { return disk_.exists(pack_path(pack)); }
    /// The pack's entry in its bucket, and the bucket's in `packs`.
    Result<void> make_name_durable(const PackId& pack);
    Result<void> remove(const PackId& pack);
    /// The removals of before, durably.
    Result<void> sync_removals();
    /// Moves the pack out of `packs`, durably.
    Result<void> set_aside(const PackId& pack);
    Result<void> list(std::vector<PackInfo>& into);
    Result<DiskSpace> space() { return disk_.space(path_); }

    std::int64_t free_bytes() const { return free_bytes_.load(std::memory_order_relaxed); }
    void note_free(std::uint64_t bytes);
    void note_put(std::uint64_t bytes);

  private:
    std::string packs_path() const { return path_ + "/packs"; }
    std::string bucket_path(std::uint8_t bucket) const;

    Disk& disk_;
    const ZoneId id_;
    const std::string path_;
    std::array<std::atomic<bool>, 256> bucket_made_{};
    std::array<std::atomic<bool>, 256> bucket_durable_{};
    std::array<std::atomic<bool>, 256> bucket_removed_from_{};
    std::atomic<std::int64_t> free_bytes_{0};
};

class Zones {
  public:
    explicit Zones(std::vector<std::unique_ptr<Zone>> zones) : zones_(std::move(zones)) {}

    const std::vector<std::unique_ptr<Zone>>& all() const { return zones_; }
    /// Most room first. Asks the disks at most once a second.
    std::vector<Zone*> by_room();
    /// Each device once.
    Result<StoreSpace> space();

  private:
    void refresh();

    static constexpr std::int64_t kRefreshNs = 1'000'000'000;
    const std::vector<std::unique_ptr<Zone>> zones_;
    const SystemClock clock_;
    std::atomic<std::int64_t> next_refresh_ns_{0};
};

}  // namespace reelfs::store
