// What each container holds, as of the last commit: kept by the session as rows come and go, and
// answered to anybody without the connection. Not known after a stop that was not clean until
// somebody asks over the connection, which counts. Thread-safe.
#pragma once

#include <map>
#include <optional>

#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"
#include "reelfs/model/quota.h"

namespace reelfs::catalog {

/// Rows: `objects` includes the container's top folder, which users do not count.
struct UsageChange {
    std::int64_t bytes = 0;
    std::int64_t objects = 0;
};
using UsageRows = std::map<ContainerId, UsageChange>;

inline Usage usage_of(const UsageChange& row) {
    return {static_cast<std::uint64_t>(row.bytes),
            row.objects > 0 ? static_cast<std::uint64_t>(row.objects - 1) : 0};
}

class UsageBoard {
  public:
    /// Nothing when nothing is known.
    std::optional<UsageChange> find(ContainerId container) const EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        if (!rows_) return std::nullopt;
        auto it = rows_->find(container);
        return it == rows_->end() ? UsageChange{} : it->second;
    }
    void set(UsageRows rows) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        rows_ = std::move(rows);
    }
    void clear() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        rows_.reset();
    }
    void add(const UsageRows& changes) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        if (!rows_) return;
        for (const auto& [container, change] : changes) {
            UsageChange& row = (*rows_)[container];
            row.bytes += change.bytes;
            row.objects += change.objects;
            if (row.bytes == 0 && row.objects == 0) rows_->erase(container);
        }
    }
    std::optional<UsageRows> all() const EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        return rows_;
    }

  private:
    mutable Mutex mutex_;
    std::optional<UsageRows> rows_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::catalog
