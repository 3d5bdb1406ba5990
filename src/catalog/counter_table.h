// Small numbers and settings: ids leased, whether the last stop was clean, and `reelfs` settings.
// Used under the connection's lock.
#pragma once

#include "catalog/database.h"
#include "catalog/usage_board.h"

namespace reelfs::catalog {

class CounterTable {
  public:
    explicit CounterTable(Database& database);

    /// kCorrupt when the schema's row is gone.
    Result<std::int64_t> value(const char* name);
    Result<void> set(const char* name, std::int64_t value);

  private:
    Statement value_;
    Statement set_;
};

/// What containers hold, as the last clean stop left it.
class UsageTable {
  public:
    explicit UsageTable(Database& database);
    /// Nothing when a container has no row: the store was last open to a version without them.
    Result<std::optional<UsageRows>> load();
    Result<void> store(const UsageRows& rows);

  private:
    Statement all_;
    Statement uncounted_;
    Statement clear_;
    Statement insert_;
};

class SettingTable {
  public:
    explicit SettingTable(Database& database);

    Result<std::optional<std::string>> find(std::string_view name);
    Result<void> set(std::string_view name, std::string_view value);

  private:
    Statement find_;
    Statement set_;
};

}  // namespace reelfs::catalog
