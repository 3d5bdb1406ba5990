#include "store/zone.h"

#include <algorithm>
#include <set>

#include "reelfs/base/log.h"
#include "store/layout.h"

namespace reelfs::store {

Zone::Zone(Disk& disk, ZoneDirectory directory)
    : disk_(disk), id_(directory.id), path_(std::move(directory.path)) {}

Result<void> Zone::prepare() {
    RF_TRY(const bool present, disk_.exists(path_));
    if (!present) return Error(Errc::kNotFound, "zone " + path_ + " is missing");
    RF_CHECK(disk_.make_directory(packs_path()));
    RF_CHECK(disk_.sync_directory(path_));
    // Buckets made before a process died may not be durable yet; one sync covers all there are.
    RF_TRY(const auto names, disk_.list(packs_path()));
    RF_CHECK(disk_.sync_directory(packs_path()));
    const std::set<std::string> present_names(names.begin(), names.end());
    for (unsigned bucket = 0; bucket < bucket_made_.size(); ++bucket) {
        const bool made = present_names.count(bucket_name(static_cast<std::uint8_t>(bucket))) != 0;
        bucket_made_[bucket] = made;
        bucket_durable_[bucket] = made;
    }
    return done();
}

std::string Zone::bucket_path(std::uint8_t bucket) const {
    return packs_path() + "/" + bucket_name(bucket);
}

std::string Zone::pack_path(const PackId& pack) const {
    return bucket_path(bucket_of(pack)) + "/" + file_name(pack);
}

Result<std::shared_ptr<File>> Zone::create(const PackId& pack) {
    const std::uint8_t bucket = bucket_of(pack);
    if (!bucket_made_[bucket]) {
        RF_CHECK(disk_.make_directory(bucket_path(bucket)));
        bucket_made_[bucket] = true;
    }
    RF_TRY(auto file, disk_.open(pack_path(pack), OpenMode::kCreateNew));
    return std::shared_ptr<File>(std::move(file));
}

Result<std::shared_ptr<File>> Zone::open(const PackId& pack) {
    auto file = disk_.open(pack_path(pack), OpenMode::kReadWrite);
    if (!file &&
        (file.error().code() == Errc::kReadOnly || file.error().code() == Errc::kAccessDenied))
        file = disk_.open(pack_path(pack), OpenMode::kRead);
    if (!file) return std::move(file).error();
    return std::shared_ptr<File>(std::move(*file));
}

Result<void> Zone::make_name_durable(const PackId& pack) {
    const std::uint8_t bucket = bucket_of(pack);
    RF_CHECK(disk_.sync_directory(bucket_path(bucket)));
    if (bucket_durable_[bucket]) return done();
    RF_CHECK(disk_.sync_directory(packs_path()));
    bucket_durable_[bucket] = true;
    return done();
}

Result<void> Zone::remove(const PackId& pack) {
    const std::uint8_t bucket = bucket_of(pack);
    // Also when it is gone: whoever removed it may have been killed before he synced.
    auto removed = disk_.remove(pack_path(pack));
    if (bucket_made_[bucket]) bucket_removed_from_[bucket] = true;
    return removed;
}

Result<void> Zone::sync_removals() {
    for (std::size_t bucket = 0; bucket < bucket_removed_from_.size(); ++bucket) {
        if (!bucket_removed_from_[bucket].exchange(false)) continue;
        auto synced = disk_.sync_directory(bucket_path(static_cast<std::uint8_t>(bucket)));
        if (!synced) {
            bucket_removed_from_[bucket] = true;
            return synced;
        }
    }
    return done();
}

Result<void> Zone::set_aside(const PackId& pack) {
    const std::string aside = path_ + "/aside";
    RF_TRY(const bool present, disk_.exists(pack_path(pack)));
    if (!present) return Error(Errc::kNotFound, "no pack " + pack_path(pack));
    RF_CHECK(disk_.make_directory(aside));
    RF_CHECK(disk_.rename(pack_path(pack), aside + "/" + file_name(pack)));
    // The new name first: between the two the pack has both or the new one, never none.
    RF_CHECK(disk_.sync_directory(aside));
    RF_CHECK(disk_.sync_directory(path_));
    return disk_.sync_directory(bucket_path(bucket_of(pack)));
}

Result<void> Zone::list(std::vector<PackInfo>& into) {
    RF_TRY(const auto buckets, disk_.list(packs_path()));
    const std::set<std::string> present(buckets.begin(), buckets.end());
    for (unsigned bucket = 0; bucket < 256; ++bucket) {
        const auto byte = static_cast<std::uint8_t>(bucket);
        if (present.count(bucket_name(byte)) == 0) continue;
        RF_TRY(const auto names, disk_.list(bucket_path(byte)));
        for (const std::string& name : names) {
            const auto pack = pack_of_file_name(name);
            if (!pack || bucket_of(*pack) != byte) {
                log::warning("{}/{} is not a pack of ours; left alone", bucket_path(byte), name);
                continue;
            }
            auto file = disk_.open(pack_path(*pack), OpenMode::kRead);
            if (!file && file.error().code() == Errc::kNotFound) continue;  // removed meanwhile
            if (!file) return std::move(file).error();
            RF_TRY(const std::uint64_t size, (*file)->size());
            into.push_back({.pack = *pack, .zone = id_, .bytes = size});
        }
    }
    return done();
}

void Zone::note_free(std::uint64_t bytes) {
    free_bytes_.store(static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, INT64_MAX)),
                      std::memory_order_relaxed);
}

void Zone::note_put(std::uint64_t bytes) {
    free_bytes_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
}

std::vector<Zone*> Zones::by_room() {
    std::int64_t due = next_refresh_ns_.load();
    const std::int64_t now = clock_.monotonic_ns();
    if ((due == 0 || now >= due) && next_refresh_ns_.compare_exchange_strong(due, now + kRefreshNs))
        refresh();
    std::vector<std::pair<std::int64_t, Zone*>> by_room;
    for (const auto& zone : zones_) by_room.emplace_back(-zone->free_bytes(), zone.get());
    std::stable_sort(by_room.begin(), by_room.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Zone*> zones;
    for (const auto& [room, zone] : by_room) zones.push_back(zone);
    return zones;
}

void Zones::refresh() {
    for (const auto& zone : zones_) {
        const auto space = zone->space();
        zone->note_free(space ? space->free_bytes : 0);
    }
}

Result<StoreSpace> Zones::space() {
    StoreSpace sum;
    std::set<std::uint64_t> devices;
    for (const auto& zone : zones_) {
        RF_TRY(const DiskSpace space, zone->space());
        if (!devices.insert(space.device).second) continue;
        sum.total_bytes += space.total_bytes;
        sum.free_bytes += space.free_bytes;
    }
    return sum;
}

}  // namespace reelfs::store
