// Packs in use: which pack a file's extents go to, and what of each is durable.
//
// Small files of a container share a pack; a stream gets one to itself, so that its fsync waits for
// nobody and deleting it is one unlink. A pack's row is committed before anything is put in it.
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/store/extent_store.h"

namespace reelfs::core {

/// A put into a pack: durable once a sync that began after it had returned has succeeded. Offsets
/// alone do not tell: puts may finish in any order.
struct PutMark {
    PackId pack;
    std::uint64_t sequence = 0;  // within the pack, in order of return
};

class Packs {
  public:
    Packs(store::ExtentStore& store, catalog::Catalog& catalog)
        : store_(store), catalog_(catalog) {}

    /// The container's shared pack, a new one when there is none, or it is full or failed.
    Result<PackId> shared_pack(ContainerId container) EXCLUDES(mutex_);
    /// A new pack for one stream.
    Result<PackId> own_pack(ContainerId container) EXCLUDES(mutex_);
    /// While one is there, its pack is in use. Packs must outlive it.
    class Hold {
      public:
        Hold() = default;
        Hold(Packs& packs, const PackId& pack) : packs_(&packs), pack_(pack) {}
        Hold(Hold&& other) noexcept
            : packs_(std::exchange(other.packs_, nullptr)), pack_(other.pack_) {}
        Hold& operator=(Hold&& other) noexcept {
            std::swap(packs_, other.packs_);
            std::swap(pack_, other.pack_);
            return *this;
        }
        ~Hold() {
            if (packs_ != nullptr) packs_->release(pack_);
        }

      private:
        Packs* packs_ = nullptr;
        PackId pack_;
    };
    /// kBusy when the pack was finished meanwhile: ask for another.
    struct Put {
        Location location;
        PutMark mark;
        Hold hold;  // until the catalog names what was put, or nobody will name it
    };
    Result<Put> put(const PackId& pack, std::span<const Bytes> pieces) EXCLUDES(mutex_);
    /// Until every put that has begun by now has returned.
    void wait_for_puts() EXCLUDES(mutex_);
    /// The stream has ended: no further puts.
    void finish(const PackId& pack) EXCLUDES(mutex_);

    /// Makes the put durable; at once when it is already.
    Result<void> sync(const PutMark& mark) EXCLUDES(mutex_);
    /// Why the put will never be durable: its pack was given up before it was. Nothing otherwise.
    std::optional<Error> lost(const PutMark& mark) const EXCLUDES(mutex_);
    /// An error while the catalog names anything in a pack that was given up and is not durable
    /// there: then nobody may be told that everything is, nor the store be marked as cleanly
    /// stopped, however long ago the sync failed and whoever was told.
    Result<void> check_nothing_lost() EXCLUDES(mutex_);
    /// For content found in the catalog: what to sync to make it durable; nothing when it is.
    std::optional<PutMark> unsynced(const Location& location) const EXCLUDES(mutex_);
    /// The same, to have it recorded as durable as well.
    std::optional<PutMark> unrecorded(const Location& location) const EXCLUDES(mutex_);
    /// The durable ends of all packs or of `only` these into the catalog, for its next barrier:
    /// whoever promises content records them first. After an unclean stop, what lies below and does
    /// not open has been damaged; what lies beyond may never have been whole.
    Result<void> record_ends(std::optional<std::span<const PutMark>> only) EXCLUDES(mutex_);
    /// A barrier over all packs, and their durable ends into the catalog. Finished packs that are
    /// wholly durable are forgotten. Goes on past a failed pack (which fails its files) and returns
    /// the first error.
    Result<void> sync_all() EXCLUDES(mutex_);
    /// Bytes put since the last sync_all.
    std::uint64_t unsynced_bytes() const EXCLUDES(mutex_);
    /// True for a pack that may still be put to, is not yet durable, or has something in it that
    /// the catalog does not name yet: it must not be removed.
    bool in_use(const PackId& pack) const EXCLUDES(mutex_);

  private:
    struct State {
        ContainerId container;
        std::uint64_t bytes = 0;  // put so far
        std::uint64_t put_sequence = 0;
        std::uint64_t synced_sequence = 0;
        std::uint64_t durable_end = 0;   // nothing below can be missing
        std::uint64_t recorded_end = 0;  // in the catalog
        int puts_in_flight = 0;
        int holds = 0;
        bool finished = false;
        bool recorded_closed = false;
        std::optional<Error> failed;

        bool has_news() const {
            return durable_end != recorded_end || (finished && !recorded_closed);
        }
    };
    Result<PackId> open(ContainerId container, store::PackUse use) EXCLUDES(mutex_);
    void release(const PackId& pack) EXCLUDES(mutex_);
    void close_in_store(const PackId& pack) REQUIRES(mutex_);

    store::ExtentStore& store_;
    catalog::Catalog& catalog_;
    mutable Mutex mutex_;
    CondVar opened_;
    CondVar put_returned_;
    std::unordered_map<PackId, State> states_ GUARDED_BY(mutex_);
    std::map<ContainerId, std::optional<PackId>> shared_ GUARDED_BY(mutex_);
    std::map<ContainerId, bool> opening_ GUARDED_BY(mutex_);
    std::uint64_t unsynced_bytes_ GUARDED_BY(mutex_) = 0;
    std::uint64_t puts_begun_ GUARDED_BY(mutex_) = 0;
    std::set<std::uint64_t> under_way_ GUARDED_BY(mutex_);  // of those
};

}  // namespace reelfs::core
