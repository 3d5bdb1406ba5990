// The containers in memory: few, read on every write. Filled at open, changed when one is made or
// deleted. Thread-safe.
#pragma once

#include <map>
#include <optional>

#include "reelfs/base/mutex.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::core {

class ContainerTable {
  public:
    void put(const catalog::ContainerRow& row) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        rows_[row.container] = row;
    }
    void remove(ContainerId id) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        rows_.erase(id);
    }
    std::optional<catalog::ContainerRow> find(ContainerId id) const EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        auto it = rows_.find(id);
        if (it == rows_.end()) return std::nullopt;
        return it->second;
    }

  private:
    mutable Mutex mutex_;
    std::map<ContainerId, catalog::ContainerRow> rows_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
