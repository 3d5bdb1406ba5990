// Packs as maps of offset to bytes, under one lock: a put is a copy, so nothing is ever in flight
// and the durable end is the end.
#include "reelfs/store/memory_store.h"

#include <algorithm>
#include <map>

#include "reelfs/base/mutex.h"
#include "store/layout.h"

namespace reelfs::store {

namespace {

class MemoryPack {
  public:
    std::uint64_t append(std::span<const Bytes> pieces) {
        std::vector<std::byte> bytes;
        for (Bytes piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
        const std::uint64_t offset = align_up(end_);
        end_ = offset + bytes.size();
        extents_.emplace(offset, std::move(bytes));
        return offset;
    }
    /// Gaps and freed extents read as zeros.
    bool read(std::uint64_t offset, MutableBytes out) const {
        if (offset + out.size() > end_) return false;
        std::fill(out.begin(), out.end(), std::byte{0});
        auto extent = extents_.upper_bound(offset);
        if (extent != extents_.begin()) --extent;
        for (; extent != extents_.end() && extent->first < offset + out.size(); ++extent) {
            const std::uint64_t begin = std::max(offset, extent->first);
            const std::uint64_t end =
                std::min(offset + out.size(), extent->first + extent->second.size());
            if (begin < end)
                std::copy_n(extent->second.data() + (begin - extent->first), end - begin,
                            out.data() + (begin - offset));
        }
        return true;
    }
    /// Memory returns for extents that lie inside as a whole.
    void free(Range inside) {
        auto extent = extents_.lower_bound(inside.begin);
        while (extent != extents_.end() && extent->first + extent->second.size() <= inside.end)
            extent = extents_.erase(extent);
    }
    std::uint64_t end() const { return end_; }

    bool open = true;

  private:
    std::map<std::uint64_t, std::vector<std::byte>> extents_;
    std::uint64_t end_ = 0;
};

Error absent(const PackId& pack) {
    return {Errc::kNotFound, "no pack " + pack.hex()};
}

class MemoryStore final : public ExtentStore {
  public:
    explicit MemoryStore(Random& random) : random_(random) {}

    Result<PackId> open_pack(ContainerId, PackUse) override {
        PackId id;
        random_.fill(id.bytes);
        MutexLock lock(mutex_);
        packs_.try_emplace(id);
        return id;
    }
    Result<Location> put(const PackId& pack, std::span<const Bytes> pieces) override {
        std::uint64_t length = 0;
        for (Bytes piece : pieces) length += piece.size();
        if (length == 0) return Error(Errc::kInvalid, "put of no bytes into pack " + pack.hex());
        MutexLock lock(mutex_);
        auto known = packs_.find(pack);
        if (known == packs_.end() || !known->second.open)
            return Error(Errc::kBadHandle, "pack " + pack.hex() + " is not open for writing");
        return Location{.pack = pack, .offset = known->second.append(pieces), .length = length};
    }
    Result<void> read(const Location& location, std::uint64_t skip, MutableBytes out) override {
        if (!location.pack) return Error(Errc::kInvalid, "an inline extent is not in the store");
        MutexLock lock(mutex_);
        auto known = packs_.find(*location.pack);
        if (known == packs_.end()) return absent(*location.pack);
        if (!known->second.read(location.offset + skip, out))
            return Error(Errc::kCorrupt, "pack " + location.pack->hex() + " is shorter");
        return done();
    }
    void will_need(const Location&, std::uint64_t, std::uint64_t) override {}
    Result<std::uint64_t> sync(const PackId& pack) override {
        MutexLock lock(mutex_);
        auto known = packs_.find(pack);
        if (known == packs_.end()) return absent(pack);
        return known->second.end();
    }
    Result<void> close_pack(const PackId& pack) override {
        MutexLock lock(mutex_);
        if (auto known = packs_.find(pack); known != packs_.end()) known->second.open = false;
        return done();
    }
    Result<void> free(const FreedRange& range) override {
        MutexLock lock(mutex_);
        auto known = packs_.find(range.pack);
        if (known == packs_.end()) return absent(range.pack);
        const Range inside = aligned_inside(range.offset, range.length);
        if (!inside.empty()) known->second.free(inside);
        return done();
    }
    Result<void> remove_pack(const PackId& pack) override {
        MutexLock lock(mutex_);
        if (packs_.erase(pack) == 0) return absent(pack);
        return done();
    }
    Result<void> sync_removals() override { return done(); }
    Result<void> set_aside(const PackId& pack) override { return remove_pack(pack); }
    Result<void> settle(const PackId& pack) override {
        RF_CHECK(sync(pack));
        return done();
    }
    Result<std::vector<PackInfo>> list() override {
        MutexLock lock(mutex_);
        std::vector<PackInfo> packs;
        for (const auto& [id, pack] : packs_)
            packs.push_back({.pack = id, .zone = ZoneId(0), .bytes = pack.end()});
        return packs;
    }
    Result<StoreSpace> space() override {
        MutexLock lock(mutex_);
        std::uint64_t used = 0;
        for (const auto& [id, pack] : packs_) used += pack.end();
        return StoreSpace{.total_bytes = kTotalBytes, .free_bytes = kTotalBytes - used};
    }

  private:
    static constexpr std::uint64_t kTotalBytes = std::uint64_t{1} << 40;  // says space() only

    Random& random_;
    Mutex mutex_;
    std::map<PackId, MemoryPack> packs_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<ExtentStore> make_memory_store(Random& random) {
    return std::make_unique<MemoryStore>(random);
}

}  // namespace reelfs::store
