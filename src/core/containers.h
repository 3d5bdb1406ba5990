// The containers in memory, with their names: few, read on every write and by network threads.
// Filled at open, changed inside the catalog's publication when one is made or deleted; a container
// keeps its name. Thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "reelfs/base/mutex.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::core {

class ContainerTable {
  public:
    struct Named {
        catalog::ContainerRow row;
        std::string name;
    };

    void put(const catalog::ContainerRow& row, std::string_view name) EXCLUDES(mutex_) {
        WriteLock lock(mutex_);
        rows_[row.container] = {row, std::string(name)};
        by_name_[std::string(name)] = row.container;
        by_endpoint_[row.endpoint_id] = row.container;
    }
    void remove(ContainerId id) EXCLUDES(mutex_) {
        WriteLock lock(mutex_);
        const auto found = rows_.find(id);
        if (found == rows_.end()) return;
        by_name_.erase(found->second.name);
        by_endpoint_.erase(found->second.row.endpoint_id);
        rows_.erase(found);
    }
    std::optional<catalog::ContainerRow> find(ContainerId id) const EXCLUDES(mutex_) {
        ReadLock lock(mutex_);
        const auto found = rows_.find(id);
        if (found == rows_.end()) return std::nullopt;
        return found->second.row;
    }
    std::optional<ContainerId> named(std::string_view name) const EXCLUDES(mutex_) {
        ReadLock lock(mutex_);
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) return std::nullopt;
        return found->second;
    }
    /// The name of the one with this endpoint id.
    std::optional<std::string> at_endpoint(std::string_view endpoint_id) const EXCLUDES(mutex_) {
        ReadLock lock(mutex_);
        const auto found = by_endpoint_.find(endpoint_id);
        if (found == by_endpoint_.end()) return std::nullopt;
        return rows_.find(found->second)->second.name;
    }

  private:
    mutable SharedMutex mutex_;
    std::map<ContainerId, Named> rows_ GUARDED_BY(mutex_);
    std::map<std::string, ContainerId, std::less<>> by_name_ GUARDED_BY(mutex_);
    std::map<std::string, ContainerId, std::less<>> by_endpoint_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
