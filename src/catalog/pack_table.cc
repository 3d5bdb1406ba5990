// Statements on packs and on their freed ranges, see extent_table.h.
#include <fmt/format.h>

#include <algorithm>

#include "catalog/extent_table.h"

namespace reelfs::catalog {

namespace {

PackRow pack_row(const Query& query) {
    PackRow row;
    const Bytes name = query.bytes(0);
    std::copy_n(name.begin(), std::min(name.size(), row.pack.bytes.size()), row.pack.bytes.begin());
    row.container = ContainerId(query.as<std::uint64_t>(1));
    row.state = static_cast<PackState>(query.integer(2));
    row.durable_end = query.as<std::uint64_t>(3);
    row.live_bytes = query.integer(4);
    return row;
}

Error absent(const PackId& pack) {
    return Error(Errc::kNotFound, fmt::format("pack {} is not in the catalog", pack.hex()));
}

}  // namespace

PackTable::PackTable(Database& database)
    : all_(database,
           "SELECT name, container, state, durable_end, live_bytes FROM pack ORDER BY id"),
      find_(database,
            "SELECT name, container, state, durable_end, live_bytes FROM pack WHERE name = ?1"),
      key_(database, "SELECT id FROM pack WHERE name = ?1"),
      insert_(database,
              "INSERT INTO pack(name, container, state, durable_end, live_bytes) "
              "VALUES (?1, ?2, ?3, ?4, ?5)"),
      update_(database, "UPDATE pack SET state = ?2, durable_end = ?3 WHERE name = ?1"),
      remove_(database, "DELETE FROM pack WHERE id = ?1"),
      in_use_(database, "SELECT 1 FROM extent WHERE pack = ?1 LIMIT 1"),
      add_live_(database, "UPDATE pack SET live_bytes = live_bytes + ?2 WHERE id = ?1"),
      set_live_(database, "UPDATE pack SET live_bytes = ?2 WHERE name = ?1"),
      count_(database, "SELECT count(*) FROM pack"),
      freed_(database,
             "SELECT freed.id, pack.name, freed.offset, freed.length "
             "FROM freed CROSS JOIN pack ON pack.id = freed.pack ORDER BY freed.id LIMIT ?1"),
      freed_bytes_(database, "SELECT coalesce(sum(length), 0) FROM freed"),
      insert_freed_(database, "INSERT INTO freed(pack, offset, length) VALUES (?1, ?2, ?3)"),
      remove_freed_(database, "DELETE FROM freed WHERE id = ?1"),
      remove_freed_of_(database, "DELETE FROM freed WHERE pack = ?1") {}

Result<std::vector<PackRow>> PackTable::all() {
    Query query(all_);
    std::vector<PackRow> rows;
    while (true) {
        RF_TRY(bool row, query.step());
        if (!row) return rows;
        rows.push_back(pack_row(query));
    }
}

Result<std::optional<PackRow>> PackTable::find(const PackId& pack) {
    Query query(find_, Bytes(pack.bytes));
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<PackRow>();
    return std::optional<PackRow>(pack_row(query));
}

Result<std::int64_t> PackTable::key(const PackId& pack) {
    Query query(key_, Bytes(pack.bytes));
    RF_TRY(bool found, query.step());
    if (!found) return absent(pack);
    return query.integer(0);
}

Result<void> PackTable::insert(const PackRow& row) {
    Query query(insert_, Bytes(row.pack.bytes), row.container, static_cast<int>(row.state),
                row.durable_end, row.live_bytes);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> PackTable::update(const PackId& pack, PackState state, std::uint64_t durable_end) {
    Query query(update_, Bytes(pack.bytes), static_cast<int>(state), durable_end);
    RF_TRY(int changed, query.run());
    if (changed == 0) return absent(pack);
    return done();
}

Result<void> PackTable::remove(const PackId& pack) {
    RF_TRY(const std::int64_t key, this->key(pack));
    {
        Query query(in_use_, key);
        RF_TRY(bool used, query.step());
        if (used)
            return Error(Errc::kNotEmpty, fmt::format("pack {} still holds extents", pack.hex()));
    }
    Query freed(remove_freed_of_, key);
    RF_TRY([[maybe_unused]] int ranges, freed.run());
    Query query(remove_, key);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> PackTable::add_live(std::int64_t key, std::int64_t bytes) {
    Query query(add_live_, key, bytes);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> PackTable::set_live(const PackId& pack, std::int64_t bytes) {
    Query query(set_live_, Bytes(pack.bytes), bytes);
    RF_TRY(int changed, query.run());
    if (changed == 0) return absent(pack);
    return done();
}

Result<std::uint64_t> PackTable::count() {
    Query query(count_);
    RF_TRY([[maybe_unused]] bool row, query.step());
    return query.as<std::uint64_t>(0);
}

Result<std::vector<FreedRow>> PackTable::freed(int limit) {
    Query query(freed_, limit);
    std::vector<FreedRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        FreedRow row;
        row.row = query.as<std::uint64_t>(0);
        const Bytes name = query.bytes(1);
        std::copy_n(name.begin(), std::min(name.size(), row.range.pack.bytes.size()),
                    row.range.pack.bytes.begin());
        row.range.offset = query.as<std::uint64_t>(2);
        row.range.length = query.as<std::uint64_t>(3);
        rows.push_back(row);
    }
}

Result<std::uint64_t> PackTable::freed_bytes() {
    Query query(freed_bytes_);
    RF_TRY([[maybe_unused]] bool row, query.step());
    return query.as<std::uint64_t>(0);
}

Result<void> PackTable::insert_freed(const FreedRange& range) {
    RF_TRY(const std::int64_t key, this->key(range.pack));
    {
        Query query(insert_freed_, key, range.offset, range.length);
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    return add_live(key, -static_cast<std::int64_t>(range.length));
}

Result<void> PackTable::remove_freed(std::uint64_t row) {
    Query query(remove_freed_, row);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound, fmt::format("no freed range {} in the catalog", row));
    return done();
}

}  // namespace reelfs::catalog
