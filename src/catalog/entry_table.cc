// Statements on directory entries and on xattrs, see node_table.h.
#include <fmt/format.h>

#include "catalog/node_table.h"

namespace reelfs::catalog {

EntryTable::EntryTable(Database& database)
    : find_(database, "SELECT node FROM entry WHERE parent = ?1 AND name = ?2"),
      after_(database,
             "SELECT name, node, type FROM entry WHERE parent = ?1 AND name > ?2 "
             "ORDER BY name LIMIT ?3"),
      with_nodes_after_(database,
                        "SELECT entry.name, " RF_NODE_COLUMNS(
                            "node.") " FROM entry CROSS JOIN node ON node.id = entry.node "
                                     "WHERE entry.parent = ?1 AND entry.name > ?2 "
                                     "ORDER BY entry.name LIMIT ?3"),
      any_(database, "SELECT 1 FROM entry WHERE parent = ?1 LIMIT 1"),
      directory_name_(database, "SELECT name FROM entry WHERE node = ?1 AND type = 2"),
      insert_(database, "INSERT INTO entry(parent, name, node, type) VALUES (?1, ?2, ?3, ?4)"),
      replace_(database,
               "INSERT INTO entry(parent, name, node, type) VALUES (?1, ?2, ?3, ?4) "
               "ON CONFLICT(parent, name) DO UPDATE SET node = ?3, type = ?4"),
      remove_(database, "DELETE FROM entry WHERE parent = ?1 AND name = ?2") {}

Result<std::optional<NodeId>> EntryTable::find(NodeId parent, std::string_view name) {
    Query query(find_, parent, name);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<NodeId>();
    return std::optional<NodeId>(NodeId(query.as<std::uint64_t>(0)));
}

Result<std::vector<EntryRow>> EntryTable::after(NodeId parent, std::string_view after, int limit) {
    Query query(after_, parent, after, limit);
    std::vector<EntryRow> rows;
    while (true) {
        RF_TRY(bool row, query.step());
        if (!row) return rows;
        rows.push_back({.name = query.text(0),
                        .node = NodeId(query.as<std::uint64_t>(1)),
                        .type = static_cast<NodeType>(query.integer(2))});
    }
}

Result<std::vector<EntryWithNode>> EntryTable::with_nodes_after(NodeId parent,
                                                                std::string_view after, int limit) {
    Query query(with_nodes_after_, parent, after, limit);
    std::vector<EntryWithNode> rows;
    while (true) {
        RF_TRY(bool row, query.step());
        if (!row) return rows;
        RF_TRY(NodeRow node, node_row(query, 1));
        rows.push_back({.name = query.text(0), .node = std::move(node)});
    }
}

Result<bool> EntryTable::any(NodeId parent) {
    Query query(any_, parent);
    return query.step();
}

Result<std::optional<std::string>> EntryTable::directory_name(NodeId directory) {
    static_assert(static_cast<int>(NodeType::kDirectory) == 2);
    Query query(directory_name_, directory);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<std::string>();
    return std::optional<std::string>(query.text(0));
}

Result<void> EntryTable::insert(NodeId parent, const EntryRow& row) {
    Query query(insert_, parent, row.name, row.node, static_cast<int>(row.type));
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> EntryTable::replace(NodeId parent, const EntryRow& row) {
    Query query(replace_, parent, row.name, row.node, static_cast<int>(row.type));
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> EntryTable::remove(NodeId parent, std::string_view name) {
    Query query(remove_, parent, name);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound, fmt::format("no such entry in node {}", parent.value()));
    return done();
}

XattrTable::XattrTable(Database& database)
    : find_(database, "SELECT value FROM xattr WHERE node = ?1 AND name = ?2"),
      names_(database, "SELECT name FROM xattr WHERE node = ?1 ORDER BY name"),
      set_(database,
           "INSERT INTO xattr(node, name, value) VALUES (?1, ?2, ?3) "
           "ON CONFLICT(node, name) DO UPDATE SET value = ?3"),
      remove_(database, "DELETE FROM xattr WHERE node = ?1 AND name = ?2"),
      remove_all_(database, "DELETE FROM xattr WHERE node = ?1") {}

Result<std::optional<std::vector<std::byte>>> XattrTable::find(NodeId node, std::string_view name) {
    Query query(find_, node, name);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<std::vector<std::byte>>();
    return std::optional(copy_of(query.bytes(0)));
}

Result<std::vector<std::string>> XattrTable::names(NodeId node) {
    Query query(names_, node);
    std::vector<std::string> names;
    while (true) {
        RF_TRY(bool row, query.step());
        if (!row) return names;
        names.push_back(query.text(0));
    }
}

Result<void> XattrTable::set(NodeId node, std::string_view name, Bytes value) {
    Query query(set_, node, name, value);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> XattrTable::remove(NodeId node, std::string_view name) {
    Query query(remove_, node, name);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNoAttribute, fmt::format("no such xattr on node {}", node.value()));
    return done();
}

Result<void> XattrTable::remove_all(NodeId node) {
    Query query(remove_all_, node);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

}  // namespace reelfs::catalog
