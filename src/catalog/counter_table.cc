// Statements on counters and settings, see counter_table.h.
#include "catalog/counter_table.h"

#include <fmt/format.h>

namespace reelfs::catalog {

CounterTable::CounterTable(Database& database)
    : value_(database, "SELECT value FROM counter WHERE name = CAST(?1 AS TEXT)"),
      set_(database, "UPDATE counter SET value = ?2 WHERE name = CAST(?1 AS TEXT)") {}

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

UsageTable::UsageTable(Database& database)
    : all_(database, "SELECT container, bytes, objects FROM usage"),
      uncounted_(database,
                 "SELECT 1 FROM container WHERE id NOT IN (SELECT container FROM usage) LIMIT 1"),
      clear_(database, "DELETE FROM usage"),
      insert_(database, "INSERT INTO usage(container, bytes, objects) VALUES (?1, ?2, ?3)") {}

Result<std::optional<UsageRows>> UsageTable::load() {
    {
        Query query(uncounted_);
        RF_TRY(bool any, query.step());
        if (any) return std::optional<UsageRows>();
    }
    UsageRows rows;
    Query query(all_);
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return std::optional(std::move(rows));
        rows[ContainerId(query.as<std::uint64_t>(0))] = {query.integer(1), query.integer(2)};
    }
}

Result<void> UsageTable::store(const UsageRows& rows) {
    {
        Query query(clear_);
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    for (const auto& [container, row] : rows) {
        Query query(insert_, container, row.bytes, row.objects);
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    return done();
}

SettingTable::SettingTable(Database& database)
    : find_(database, "SELECT value FROM setting WHERE name = ?1"),
      set_(database,
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
