// Statements on users and ingest tokens. Few, and all read at start. Used under the connection's
// lock.
#pragma once

#include "catalog/database.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::catalog {

class UserTable {
  public:
    explicit UserTable(Database& database);

    /// By name, greater than `after`.
    Result<std::vector<UserRow>> after(std::string_view after, int limit);
    Result<void> insert(const UserRow& row);  // kExists
    Result<void> update(const UserRow& row);  // kNotFound
    Result<void> remove(std::string_view name);

  private:
    Statement after_;
    Statement find_;
    Statement insert_;
    Statement update_;
    Statement remove_;
};

class TokenTable {
  public:
    explicit TokenTable(Database& database);

    /// By id, greater than `after`.
    Result<std::vector<TokenRow>> after(std::string_view after, int limit);
    Result<void> insert(const TokenRow& row);
    Result<void> remove(std::string_view id);  // kNotFound

  private:
    Statement after_;
    Statement insert_;
    Statement remove_;
};

}  // namespace reelfs::catalog
