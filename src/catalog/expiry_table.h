// The queue of what will expire, by due time. Used under the connection's lock.
#pragma once

#include "catalog/database.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::catalog {

class ExpiryTable {
  public:
    explicit ExpiryTable(Database& database);

    Result<std::optional<ExpiryRow>> find(NodeId node);
    Result<std::vector<ExpiryRow>> due(Timestamp now, int limit);
    Result<std::optional<Timestamp>> next();
    Result<void> put(const ExpiryRow& row);
    Result<void> remove(NodeId node);

  private:
    Statement find_;
    Statement due_;
    Statement next_;
    Statement put_;
    Statement remove_;
};

}  // namespace reelfs::catalog
