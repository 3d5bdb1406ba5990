#include "catalog/expiry_table.h"

namespace reelfs::catalog {

namespace {

ExpiryRow expiry_row(const Query& query) {
    return {.node = NodeId(query.as<std::uint64_t>(0)),
            .due = Timestamp{query.integer(1)},
            .since = Timestamp{query.integer(2)},
            .transient = query.integer(3) != 0,
            .parent = NodeId(query.as<std::uint64_t>(4)),
            .name = query.text(5)};
}

}  // namespace

ExpiryTable::ExpiryTable(Database& database)
    : find_(database,
            "SELECT node, due, since, transient, parent, name FROM expiry WHERE node = ?1"),
      due_(database,
           "SELECT node, due, since, transient, parent, name FROM expiry WHERE due <= ?1 "
           "ORDER BY due LIMIT ?2"),
      next_(database, "SELECT due FROM expiry ORDER BY due LIMIT 1"),
      put_(database,
           "INSERT INTO expiry(node, due, since, transient, parent, name) "
           "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(node) DO UPDATE SET "
           "due = ?2, since = ?3, transient = ?4, parent = ?5, name = ?6"),
      remove_(database, "DELETE FROM expiry WHERE node = ?1") {}

Result<std::optional<ExpiryRow>> ExpiryTable::find(NodeId node) {
    Query query(find_, node);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<ExpiryRow>();
    return std::optional<ExpiryRow>(expiry_row(query));
}

Result<std::vector<ExpiryRow>> ExpiryTable::due(Timestamp now, int limit) {
    Query query(due_, now.ns, limit);
    std::vector<ExpiryRow> rows;
    while (true) {
        RF_TRY(bool row, query.step());
        if (!row) return rows;
        rows.push_back(expiry_row(query));
    }
}

Result<std::optional<Timestamp>> ExpiryTable::next() {
    Query query(next_);
    RF_TRY(bool row, query.step());
    if (!row) return std::optional<Timestamp>();
    return std::optional<Timestamp>(Timestamp{query.integer(0)});
}

Result<void> ExpiryTable::put(const ExpiryRow& row) {
    Query query(put_, row.node, row.due.ns, row.since.ns, row.transient ? 1 : 0, row.parent,
                row.name);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> ExpiryTable::remove(NodeId node) {
    Query query(remove_, node);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

}  // namespace reelfs::catalog
