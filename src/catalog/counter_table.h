// Small numbers and settings: ids leased, whether the last stop was clean, and `reelfs` settings.
// Used under the connection's lock.
#pragma once

#include "catalog/database.h"

namespace reelfs::catalog {

class CounterTable {
  public:
    explicit CounterTable(Preparation& preparation);

    /// kCorrupt when the schema's row is gone.
    Result<std::int64_t> value(const char* name);
    Result<void> set(const char* name, std::int64_t value);

  private:
    Statement value_;
    Statement set_;
};

class SettingTable {
  public:
    explicit SettingTable(Preparation& preparation);

    Result<std::optional<std::string>> find(std::string_view name);
    Result<void> set(std::string_view name, std::string_view value);

  private:
    Statement find_;
    Statement set_;
};

}  // namespace reelfs::catalog
