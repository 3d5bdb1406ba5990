// Ids in order, from ranges that the catalog has reserved durably ahead: never handed out twice,
// also after a crash. Thread-safe.
#pragma once

#include "reelfs/base/mutex.h"
#include "reelfs/catalog/catalog.h"

namespace reelfs::core {

template <class Id>
class IdSource {
  public:
    IdSource(catalog::Catalog& catalog, catalog::Lease kind) : catalog_(catalog), kind_(kind) {}

    /// Leases a new range when the present one is used up: not to be called inside a transaction.
    Result<Id> next() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        if (next_ == end_) {
            RF_TRY(next_, catalog_.lease(kind_, kRange));
            end_ = next_ + kRange;
        }
        return Id(static_cast<typename Id::Rep>(next_++));
    }

  private:
    static constexpr std::uint64_t kRange = 16'384;
    catalog::Catalog& catalog_;
    const catalog::Lease kind_;
    Mutex mutex_;
    std::uint64_t next_ GUARDED_BY(mutex_) = 0;
    std::uint64_t end_ GUARDED_BY(mutex_) = 0;
};

}  // namespace reelfs::core
