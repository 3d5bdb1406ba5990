// Statements on nodes, see node_table.h.
#include "catalog/node_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace reelfs::catalog {

namespace {

constexpr int kImplicitFolder = 1;
constexpr int kHasXattrs = 2;

int flags_of(const NodeRow& row) {
    return (row.implicit_folder ? kImplicitFolder : 0) | (row.has_xattrs ? kHasXattrs : 0);
}

std::optional<Bytes> etag_of(const NodeRow& row) {
    if (row.etag.none()) return std::nullopt;
    return Bytes(row.etag.bytes);
}

std::optional<std::string_view> target_of(const NodeRow& row) {
    if (row.symlink_target.empty()) return std::nullopt;
    return row.symlink_target;
}

std::optional<std::int64_t> expires_of(const Attributes& attributes) {
    if (!attributes.expires) return std::nullopt;
    return attributes.expires->ns;
}

}  // namespace

NodeTable::NodeTable(Database& database)
    : find_(database, "SELECT " RF_NODE_COLUMNS("") " FROM node WHERE id = ?1"),
      orphans_(database, "SELECT id FROM node WHERE links = 0 AND id > ?1 ORDER BY id LIMIT ?2"),
      after_(database,
             "SELECT " RF_NODE_COLUMNS("") " FROM node WHERE id > ?1 ORDER BY id LIMIT ?2"),
      insert_(database,
              "INSERT INTO node(" RF_NODE_COLUMNS("") ") VALUES "
              "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)"),
      update_(database,
              "UPDATE node SET generation=?2, container=?3, type=?4, mode=?5, links=?6, uid=?7, "
              "gid=?8, device=?9, size=?10, allocated=?11, accessed=?12, modified=?13, "
              "changed=?14, created=?15, expires=?16, parent=?17, flags=?18, etag=?19, target=?20 "
              "WHERE id=?1"),
      remove_(database, "DELETE FROM node WHERE id = ?1"),
      has_slices_(database, "SELECT 1 FROM slice WHERE node = ?1 LIMIT 1"),
      count_(database, "SELECT count(*) FROM node"),
      weight_(database, "SELECT container, allocated, links > 0 FROM node WHERE id = ?1"),
      weights_(database,
               "SELECT container, sum(allocated), sum(links > 0) FROM node GROUP BY container") {}

Result<NodeRow> node_row(const Query& query, int first) {
    NodeRow row;
    Attributes& attributes = row.attributes;
    int column = first;
    attributes.node = NodeId(query.as<std::uint64_t>(column++));
    attributes.generation = query.as<std::uint64_t>(column++);
    attributes.container = ContainerId(query.as<std::uint64_t>(column++));
    attributes.type = static_cast<NodeType>(query.integer(column++));
    attributes.mode = query.as<std::uint32_t>(column++);
    attributes.links = query.as<std::uint32_t>(column++);
    attributes.uid = query.as<std::uint32_t>(column++);
    attributes.gid = query.as<std::uint32_t>(column++);
    attributes.device = query.as<std::uint64_t>(column++);
    attributes.size = query.as<std::uint64_t>(column++);
    attributes.allocated_bytes = query.as<std::uint64_t>(column++);
    attributes.accessed = Timestamp{query.integer(column++)};
    attributes.modified = Timestamp{query.integer(column++)};
    attributes.changed = Timestamp{query.integer(column++)};
    attributes.created = Timestamp{query.integer(column++)};
    if (!query.null(column)) attributes.expires = Timestamp{query.integer(column)};
    ++column;
    row.parent = NodeId(query.as<std::uint64_t>(column++));
    const std::int64_t flags = query.integer(column++);
    row.implicit_folder = (flags & kImplicitFolder) != 0;
    row.has_xattrs = (flags & kHasXattrs) != 0;
    if (const Bytes etag = query.bytes(column++); !etag.empty()) {
        if (etag.size() != row.etag.bytes.size())
            return Error(Errc::kCorrupt, fmt::format("node {} has a bad etag in the catalog",
                                                     attributes.node.value()));
        std::copy(etag.begin(), etag.end(), row.etag.bytes.begin());
    }
    row.symlink_target = query.text(column);
    return row;
}

Result<std::optional<NodeRow>> NodeTable::find(NodeId node) {
    Query query(find_, node);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<NodeRow>();
    RF_TRY(NodeRow row, node_row(query, 0));
    return std::optional<NodeRow>(std::move(row));
}

Result<std::vector<NodeId>> NodeTable::orphans(NodeId after, int limit) {
    Query query(orphans_, after, limit);
    std::vector<NodeId> nodes;
    while (true) {
        RF_TRY(bool row, query.step());
        if (!row) return nodes;
        nodes.emplace_back(query.as<std::uint64_t>(0));
    }
}

Result<std::vector<NodeRow>> NodeTable::after(NodeId after, int limit) {
    Query query(after_, after, limit);
    std::vector<NodeRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        RF_TRY(NodeRow row, node_row(query, 0));
        rows.push_back(std::move(row));
    }
}

namespace {

Result<int> run_with_row(Statement& statement, const NodeRow& row) {
    const Attributes& a = row.attributes;
    Query query(statement, a.node, a.generation, a.container, static_cast<int>(a.type), a.mode,
                a.links, a.uid, a.gid, a.device, a.size, a.allocated_bytes, a.accessed.ns,
                a.modified.ns, a.changed.ns, a.created.ns, expires_of(a), row.parent, flags_of(row),
                etag_of(row), target_of(row));
    return query.run();
}

Error stale(NodeId node) {
    return Error(Errc::kStale, fmt::format("node {} is gone", node.value()));
}

}  // namespace

Result<void> NodeTable::insert(const NodeRow& row) {
    RF_TRY([[maybe_unused]] int changed, run_with_row(insert_, row));
    return done();
}

Result<void> NodeTable::update(const NodeRow& row) {
    RF_TRY(int changed, run_with_row(update_, row));
    if (changed == 0) return stale(row.attributes.node);
    return done();
}

Result<void> NodeTable::remove(NodeId node) {
    {
        Query slices(has_slices_, node);
        RF_TRY(bool any, slices.step());
        if (any)
            return Error(Errc::kNotEmpty, fmt::format("node {} still has slices", node.value()));
    }
    Query query(remove_, node);
    RF_TRY(int changed, query.run());
    if (changed == 0) return stale(node);
    return done();
}

Result<NodeTable::Weight> NodeTable::weight(NodeId node) {
    Query query(weight_, node);
    RF_TRY(bool found, query.step());
    if (!found) return Weight{};
    return Weight{ContainerId(query.as<std::uint64_t>(0)), query.integer(1), query.integer(2)};
}

Result<std::vector<NodeTable::Weight>> NodeTable::weights() {
    Query query(weights_);
    std::vector<Weight> all;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return all;
        all.push_back(
            {ContainerId(query.as<std::uint64_t>(0)), query.integer(1), query.integer(2)});
    }
}

Result<std::uint64_t> NodeTable::count() {
    Query query(count_);
    RF_TRY([[maybe_unused]] bool row, query.step());
    return query.as<std::uint64_t>(0);
}

}  // namespace reelfs::catalog
