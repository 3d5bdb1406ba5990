// Names that lead to a STREAMING upload in progress. They stand in front of the catalog's entries:
// the catalog goes on naming the version before, which is back as soon as the name here is gone.
//
// Thread-safe. Names are given within the publish step of a catalog transaction, taken away there
// and by whoever gives the upload up; transactions read them in their bodies. A leaf lock.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

class UploadNames {
  public:
    std::optional<NodeId> find(NodeId folder, std::string_view name) const EXCLUDES(mutex_) {
        if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
        MutexLock lock(mutex_);
        auto in = names_.find(folder);
        if (in == names_.end()) return std::nullopt;
        auto found = in->second.find(name);
        if (found == in->second.end()) return std::nullopt;
        return found->second.node;
    }
    /// The upload that had the name until now, or nothing; `node` itself when a newer one has it
    /// and keeps it.
    std::optional<NodeId> show(NodeId folder, const std::string& name, NodeId node,
                               std::uint64_t ticket) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        auto& names = names_[folder];
        auto [at, fresh] = names.try_emplace(name, Shown{node, ticket});
        if (fresh) {
            ++count_;
            return std::nullopt;
        }
        if (at->second.ticket > ticket) return node;
        const NodeId before = at->second.node;
        at->second = {node, ticket};
        return before;
    }
    /// Takes the name away from whoever has it, or from `only`.
    std::optional<NodeId> hide(NodeId folder, std::string_view name,
                               std::optional<NodeId> only = std::nullopt) EXCLUDES(mutex_) {
        if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
        MutexLock lock(mutex_);
        auto in = names_.find(folder);
        if (in == names_.end()) return std::nullopt;
        auto found = in->second.find(name);
        if (found == in->second.end() || (only && found->second.node != *only)) return std::nullopt;
        const NodeId node = found->second.node;
        in->second.erase(found);
        if (in->second.empty()) names_.erase(in);
        --count_;
        return node;
    }
    bool any_in(NodeId folder) const EXCLUDES(mutex_) {
        if (count_.load(std::memory_order_acquire) == 0) return false;
        MutexLock lock(mutex_);
        return names_.contains(folder);
    }
    struct Named {
        std::string name;
        NodeId node;
    };
    /// Those of a folder behind `after`, in order.
    std::vector<Named> behind(NodeId folder, std::string_view after) const EXCLUDES(mutex_) {
        std::vector<Named> found;
        if (count_.load(std::memory_order_acquire) == 0) return found;
        MutexLock lock(mutex_);
        auto in = names_.find(folder);
        if (in == names_.end()) return found;
        for (auto at = in->second.upper_bound(after); at != in->second.end(); ++at)
            found.push_back({at->first, at->second.node});
        return found;
    }

  private:
    struct Shown {
        NodeId node;
        std::uint64_t ticket = 0;
    };
    std::atomic<std::size_t> count_{0};
    mutable Mutex mutex_;
    std::map<NodeId, std::map<std::string, Shown, std::less<>>> names_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
