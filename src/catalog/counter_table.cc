// Statements on counters and settings, see counter_table.h.
#include "catalog/counter_table.h"

#include <fmt/format.h>

namespace reelfs::catalog {

CounterTable::CounterTable(Preparation& preparation)
    : value_(preparation, "SELECT value FROM counter WHERE name = CAST(?1 AS TEXT)"),
      set_(preparation, "UPDATE counter SET value = ?2 WHERE name = CAST(?1 AS TEXT)") {}

Result<std::int64_t> CounterTable::value(const char* name) {
    Query query(value_, std::string_view(name));
    RF_TRY(bool found, query.step());
    if (!found) return Error(Errc::kCorrupt, fmt::format("the catalog lacks its counter {}", name));
    return query.integer(0);
}

Result<void> CounterTable::set(const char* name, std::int64_t value) {
    Query query(set_, std::string_view(name), value);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kCorrupt, fmt::format("the catalog lacks its counter {}", name));
    return done();
}

SettingTable::SettingTable(Preparation& preparation)
    : find_(preparation, "SELECT value FROM setting WHERE name = ?1"),
      set_(preparation,
           "INSERT INTO setting(name, value) VALUES (?1, ?2) "
           "ON CONFLICT(name) DO UPDATE SET value = ?2") {}

Result<std::optional<std::string>> SettingTable::find(std::string_view name) {
    Query query(find_, name);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<std::string>();
    return std::optional(query.text(0));
}

Result<void> SettingTable::set(std::string_view name, std::string_view value) {
    Query query(set_, name, value);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

}  // namespace reelfs::catalog
