// ExtentStore over zones: finds the Pack or the file behind an id and lets it do the work.
//
// A pack made by this process is a Pack (its file pinned open) until it is closed and all of it
// durable; after that, and for packs of earlier runs, it is only a file in the FileCache. A pack
// whose sync failed is an id in `failed`, for as long as the process lives. Which zone an older
// pack is in is found by trying each: packs are not indexed, so opening a store costs the same
// however many there are.
//
// Locks: Writers::Shard::mutex, FileCache::Shard::mutex and Pack::mutex_, each alone, none across
// I/O.
#include "reelfs/store/pack_store.h"

#include <array>
#include <functional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "reelfs/base/log.h"
#include "reelfs/base/mutex.h"
#include "store/file_cache.h"
#include "store/layout.h"
#include "store/pack.h"
#include "store/zone.h"

namespace reelfs::store {

namespace {

struct Writer {
    std::shared_ptr<Pack> pack;
    Zone* zone = nullptr;
    bool failed = false;  // then `pack` is null
};

/// The packs this process writes, and those it gave up.
class Writers {
  public:
    void add(const PackId& id, std::shared_ptr<Pack> pack, Zone* zone) {
        Shard& shard = shard_of(id);
        MutexLock lock(shard.mutex);
        shard.open.emplace(id, Writer{std::move(pack), zone, false});
    }
    Writer find(const PackId& id) {
        Shard& shard = shard_of(id);
        MutexLock lock(shard.mutex);
        auto known = shard.open.find(id);
        if (known != shard.open.end()) return known->second;
        return Writer{nullptr, nullptr, shard.failed.count(id) != 0};
    }
    /// True when the pack was there.
    bool remove(const PackId& id) {
        Shard& shard = shard_of(id);
        MutexLock lock(shard.mutex);
        shard.failed.erase(id);
        return shard.open.erase(id) != 0;
    }
    /// No put and no sync from now on. True when the pack was open.
    bool fail(const PackId& id) {
        Shard& shard = shard_of(id);
        MutexLock lock(shard.mutex);
        shard.failed.insert(id);
        return shard.open.erase(id) != 0;
    }

  private:
    struct Shard {
        Mutex mutex;
        std::unordered_map<PackId, Writer> open GUARDED_BY(mutex);
        std::unordered_set<PackId> failed GUARDED_BY(mutex);
    };
    Shard& shard_of(const PackId& id) {
        return shards_[std::to_integer<std::size_t>(id.bytes[15]) % shards_.size()];
    }
    std::array<Shard, 16> shards_;
};

Error gave_up(const PackId& pack) {
    return {Errc::kIo, "a sync of pack " + pack.hex() + " failed before"};
}

class PackStore final : public ExtentStore {
  public:
    PackStore(Random& random, std::vector<std::unique_ptr<Zone>> zones)
        : random_(random), zones_(std::move(zones)) {}

    Result<PackId> open_pack(ContainerId, PackUse use) override {
        std::optional<Error> first_error;
        for (Zone* zone : zones_.by_room()) {
            auto opened = open_in(*zone, use);
            if (opened) return opened;
            log::warning("no new pack in {}: {}", zone->path(), opened.error().message());
            if (!first_error) first_error = std::move(opened).error();
        }
        return *std::move(first_error);
    }

    Result<Location> put(const PackId& pack, std::span<const Bytes> pieces) override {
        const Writer writer = writers_.find(pack);
        if (writer.failed) return gave_up(pack);
        if (!writer.pack)
            return Error(Errc::kBadHandle, "pack " + pack.hex() + " is not open for writing");
        auto location = writer.pack->put(pieces);
        if (location) writer.zone->note_put(location->length);
        return location;
    }

    Result<void> read(const Location& location, std::uint64_t skip, MutableBytes out) override {
        return read_by(&File::read_at, location, skip, out);
    }
    Result<void> read_once(const Location& location, std::uint64_t skip,
                           MutableBytes out) override {
        return read_by(&File::read_once_at, location, skip, out);
    }
    Result<void> read_device(const Location& location, std::uint64_t skip,
                             MutableBytes out) override {
        return read_by(&File::read_device_at, location, skip, out);
    }

    void will_need(const Location& location, std::uint64_t skip, std::uint64_t length) override {
        if (!location.pack) return;
        if (auto file = file_of(*location.pack)) (*file)->will_need(location.offset + skip, length);
    }

    Result<std::uint64_t> sync(const PackId& pack) override {
        const Writer writer = writers_.find(pack);
        if (writer.failed) return gave_up(pack);
        if (writer.pack) {
            auto end = writer.pack->sync();
            if (!end)
                give_up(pack, writer);
            else if (writer.pack->finished())
                retire(pack, writer);
            return end;
        }
        // Written by an earlier run, or closed and durable already.
        RF_TRY(const auto file, file_of(pack));
        RF_TRY(const std::uint64_t size, file->size());
        auto synced = sync_name(pack);
        if (synced) synced = file->sync();
        if (synced) return size;
        writers_.fail(pack);
        return std::move(synced).error();
    }

    Result<void> close_pack(const PackId& pack) override {
        const Writer writer = writers_.find(pack);
        if (!writer.pack) return done();
        writer.pack->close();
        if (writer.pack->finished()) retire(pack, writer);
        return done();
    }

    Result<void> free(const FreedRange& range) override {
        const Range inside = aligned_inside(range.offset, range.length);
        RF_TRY(const auto file, file_of(range.pack));
        if (inside.empty()) return done();
        return file->punch(inside.begin, inside.length());
    }

    Result<void> remove_pack(const PackId& pack) override {
        return take_name(pack, [&](Zone& zone) { return zone.remove(pack); });
    }

    Result<void> sync_removals() override {
        for (const auto& zone : zones_.all()) RF_CHECK(zone->sync_removals());
        return done();
    }

    Result<void> set_aside(const PackId& pack) override {
        return take_name(pack, [&](Zone& zone) { return zone.set_aside(pack); });
    }

    Result<void> settle(const PackId& pack) override {
        RF_CHECK(sync(pack));
        RF_TRY(const auto file, file_of(pack));
        file->drop_cache();
        return done();
    }

    Result<std::vector<PackInfo>> list() override {
        std::vector<PackInfo> packs;
        for (const auto& zone : zones_.all()) RF_CHECK(zone->list(packs));
        return packs;
    }

    Result<StoreSpace> space() override { return zones_.space(); }

  private:
    using ReadCall = Result<std::size_t> (File::*)(std::uint64_t, MutableBytes) const;
    Result<void> read_by(ReadCall call, const Location& location, std::uint64_t skip,
                         MutableBytes out) {
        if (!location.pack) return Error(Errc::kInvalid, "an inline extent is not in the store");
        RF_TRY(const auto file, file_of(*location.pack));
        RF_TRY(const std::size_t count, (*file.*call)(location.offset + skip, out));
        if (count == out.size()) return done();
        return Error(
            Errc::kCorrupt,
            fmt::format("pack {} ends at {}, before {}", location.pack->hex(),
                        location.offset + skip + count, location.offset + skip + out.size()));
    }

    Result<PackId> open_in(Zone& zone, PackUse use) {
        PackId id;
        random_.fill(id.bytes);
        auto file = zone.create(id);
        for (int tries = 1; !file && file.error().code() == Errc::kExists && tries < 8; ++tries) {
            random_.fill(id.bytes);
            file = zone.create(id);
        }
        if (!file) return std::move(file).error();
        writers_.add(id,
                     std::make_shared<Pack>(id, use, *std::move(file),
                                            [&zone, id] { return zone.make_name_durable(id); }),
                     &zone);
        return id;
    }

    Result<std::shared_ptr<File>> file_of(const PackId& pack) {
        if (const Writer writer = writers_.find(pack); writer.pack) return writer.pack->file();
        if (auto file = files_.find(pack)) return file;
        const std::uint64_t epoch = files_.epoch(pack);
        for (const auto& zone : zones_.all()) {
            auto file = zone->open(pack);
            if (!file && file.error().code() == Errc::kNotFound) continue;
            if (file) files_.insert(pack, *file, epoch);
            return file;
        }
        return Error(Errc::kNotFound, "no pack " + pack.hex());
    }

    /// Its file becomes one among the cached; `writer` was found before.
    void retire(const PackId& pack, const Writer& writer) {
        const std::uint64_t epoch = files_.epoch(pack);
        if (writers_.remove(pack)) files_.insert(pack, writer.pack->file(), epoch);
    }
    void give_up(const PackId& pack, const Writer& writer) {
        const std::uint64_t epoch = files_.epoch(pack);
        if (writers_.fail(pack)) files_.insert(pack, writer.pack->file(), epoch);
    }

    Result<void> sync_name(const PackId& pack) {
        for (const auto& zone : zones_.all()) {
            RF_TRY(const bool here, zone->holds(pack));
            if (here) return zone->make_name_durable(pack);
        }
        return Error(Errc::kNotFound, "no pack " + pack.hex());
    }

    /// Whoever opened the file before `act` took its name and caches it after: see FileCache.
    Result<void> take_name(const PackId& pack, const std::function<Result<void>(Zone&)>& act) {
        for (const auto& zone : zones_.all()) {
            auto taken = act(*zone);
            if (!taken && taken.error().code() == Errc::kNotFound) continue;
            if (taken) writers_.remove(pack);
            files_.forget(pack);
            return taken;
        }
        return Error(Errc::kNotFound, "no pack " + pack.hex());
    }

    Random& random_;
    Zones zones_;
    Writers writers_;
    FileCache files_;
};

}  // namespace

Result<std::unique_ptr<ExtentStore>> open_pack_store(Disk& disk, Random& random,
                                                     std::vector<ZoneDirectory> zones) {
    if (zones.empty()) return Error(Errc::kInvalid, "a store needs at least one zone");
    std::set<ZoneId> ids;
    std::set<std::string> paths;
    std::vector<std::unique_ptr<Zone>> prepared;
    for (ZoneDirectory& zone : zones) {
        if (!ids.insert(zone.id).second || !paths.insert(zone.path).second)
            return Error(Errc::kInvalid, "zone " + zone.path + " is given twice");
        prepared.push_back(std::make_unique<Zone>(disk, std::move(zone)));
        RF_CHECK(prepared.back()->prepare());
    }
    return std::unique_ptr<ExtentStore>(std::make_unique<PackStore>(random, std::move(prepared)));
}

}  // namespace reelfs::store
