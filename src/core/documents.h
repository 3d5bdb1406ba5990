// What is set for containers, in memory: the texts, and what they say, ready to be asked. Filled at
// open, changed inside the catalog's publication, so it is never older than what was acknowledged.
//
// A new kind of document: its name (model/document.h), its text's check in policy, a member of
// DocumentSet and a line in change_of().
//
// Thread-safe, and reading never waits for the catalog: network threads may. All texts together are
// bounded (limits::documents_bytes_max).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "reelfs/base/mutex.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/model/document.h"
#include "reelfs/policy/cors.h"
#include "reelfs/policy/delivery.h"
#include "reelfs/policy/lifecycle.h"

namespace reelfs::core {

/// Of one container.
struct DocumentSet {
    std::map<DocumentKind, std::string> bodies;
    // Null where there is none.
    std::shared_ptr<const policy::CorsRules> cors;
    std::shared_ptr<const policy::DeliveryRules> delivery;
    std::shared_ptr<const policy::LifecycleRules> lifecycle;

    std::size_t bytes() const;
};

/// Puts a document into a set, or takes it away.
using DocumentChange = std::function<void(DocumentSet&)>;
/// `body` none: takes away. kInvalid when the text does not say what its kind says.
Result<DocumentChange> change_of(DocumentKind kind, const std::optional<std::string>& body);

class Documents {
  public:
    /// Once, before anybody asks.
    Result<void> load(catalog::Catalog& catalog) EXCLUDES(mutex_);

    /// Whether any container has one: for those who ask for each request.
    bool any() const { return any_.load(std::memory_order_relaxed); }
    /// Never null.
    std::shared_ptr<const DocumentSet> of(ContainerId container) const EXCLUDES(mutex_);
    /// kQuota when with this change all texts together would be too long. Called, like publish(),
    /// under the catalog's lock, so that nothing comes between the two.
    Result<void> check_room(ContainerId container, const DocumentChange& change) const
        EXCLUDES(mutex_);
    void publish(ContainerId container, const DocumentChange& change) EXCLUDES(mutex_);
    void remove(ContainerId container) EXCLUDES(mutex_);

  private:
    const std::shared_ptr<const DocumentSet> none_ = std::make_shared<const DocumentSet>();

    mutable SharedMutex mutex_;
    std::map<ContainerId, std::shared_ptr<const DocumentSet>> sets_ GUARDED_BY(mutex_);
    std::size_t bytes_ GUARDED_BY(mutex_) = 0;
    std::atomic<bool> any_ = false;
};

}  // namespace reelfs::core
