// Limits of containers: who would cross one is told so (kQuota) before anything is taken.
//
// Objects are counted inside the transaction that makes them. Bytes are reserved when they are
// written, before they are known to the catalog: committed + reserved never exceeds the limit by
// more than what filling up blocks adds. A batch that commits gives back what was reserved for it
// in its publish step, when the catalog counts it already; so a reservation that fails from outside
// looks again over the connection, where neither is counted twice. Thread-safe.
//
// Lock order: catalog connection > Node::mutex > this.
#pragma once

#include <atomic>
#include <map>

#include "reelfs/base/mutex.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/model/quota.h"

namespace reelfs::core {

class Quotas {
  public:
    explicit Quotas(catalog::Catalog& catalog) : catalog_(catalog) {}

    /// At start, and in the publish step of a change.
    void set(ContainerId container, const Quota& quota) EXCLUDES(mutex_);
    /// Cheap when no container has a limit.
    std::optional<Quota> find(ContainerId container) const EXCLUDES(mutex_);
    std::uint64_t reserved(ContainerId container) const EXCLUDES(mutex_);

    /// Room for bytes that are about to be written. May ask the catalog: hold no lock. kQuota.
    Result<void> reserve(ContainerId container, std::uint64_t bytes) EXCLUDES(mutex_);
    void give_back(ContainerId container, std::uint64_t bytes) EXCLUDES(mutex_);
    /// Whether so many bytes more would fit. kQuota.
    Result<void> check(ContainerId container, std::uint64_t bytes) EXCLUDES(mutex_);

    /// In a transaction: whether what it is about to add fits. kQuota.
    Result<void> check_bytes(catalog::Reader& r, ContainerId container, std::uint64_t bytes)
        EXCLUDES(mutex_);
    Result<void> check_object(catalog::Reader& r, ContainerId container) EXCLUDES(mutex_);

  private:
    enum class Take { kReserve, kLook };
    Result<void> take(ContainerId container, std::uint64_t bytes, Take how) EXCLUDES(mutex_);
    bool fits(ContainerId container, const Usage& usage, std::uint64_t bytes, Take how)
        EXCLUDES(mutex_);

    struct Entry {
        Quota quota;
        std::uint64_t reserved = 0;
    };
    catalog::Catalog& catalog_;
    std::atomic<bool> any_{false};  // some container has, or had, a limit
    mutable Mutex mutex_;
    std::map<ContainerId, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
