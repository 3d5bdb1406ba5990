// Statements on containers and their documents, see container_table.h.
#include "catalog/container_table.h"

#include <fmt/format.h>

namespace reelfs::catalog {

namespace {

std::optional<std::uint64_t> limit_at(const Query& query, int column) {
    if (query.null(column)) return std::nullopt;
    return query.as<std::uint64_t>(column);
}

ContainerRow container_row(const Query& query) {
    return {.container = ContainerId(query.as<std::uint64_t>(0)),
            .root = NodeId(query.as<std::uint64_t>(1)),
            .block_shift = query.as<std::uint8_t>(2),
            .created = Timestamp{query.integer(3)},
            .endpoint_id = query.text(4),
            .profile = query.text(5),
            .quota = {.bytes = limit_at(query, 6), .objects = limit_at(query, 7)}};
}

}  // namespace

ContainerTable::ContainerTable(Database& database)
    : all_(database,
           "SELECT id, root, block_shift, created, endpoint, profile, quota_bytes, quota_objects "
           "FROM container ORDER BY id"),
      find_(database,
            "SELECT id, root, block_shift, created, endpoint, profile, quota_bytes, quota_objects "
            "FROM container WHERE id = ?1"),
      insert_(database,
              "INSERT INTO container(id, root, block_shift, created, endpoint, profile, "
              "quota_bytes, quota_objects) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
      set_quota_(database,
                 "UPDATE container SET quota_bytes = ?2, quota_objects = ?3 WHERE id = ?1"),
      remove_(database, "DELETE FROM container WHERE id = ?1") {}

Result<std::vector<ContainerRow>> ContainerTable::all() {
    Query query(all_);
    std::vector<ContainerRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        rows.push_back(container_row(query));
    }
}

Result<std::optional<ContainerRow>> ContainerTable::find(ContainerId container) {
    Query query(find_, container);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<ContainerRow>();
    return std::optional(container_row(query));
}

Result<void> ContainerTable::insert(const ContainerRow& row) {
    Query query(insert_, row.container, row.root, row.block_shift, row.created.ns, row.endpoint_id,
                row.profile, row.quota.bytes, row.quota.objects);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> ContainerTable::set_quota(ContainerId container, const Quota& quota) {
    Query query(set_quota_, container, quota.bytes, quota.objects);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound, fmt::format("no container {}", container.value()));
    return done();
}

Result<void> ContainerTable::remove(ContainerId container) {
    Query query(remove_, container);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound, fmt::format("no container {}", container.value()));
    return done();
}

DocumentTable::DocumentTable(Database& database)
    : after_(database,
             "SELECT container, kind, body FROM document "
             "WHERE (container, kind) > (?1, ?2) ORDER BY container, kind LIMIT ?3"),
      put_(database,
           "INSERT INTO document(container, kind, body) VALUES (?1, ?2, ?3) "
           "ON CONFLICT(container, kind) DO UPDATE SET body = ?3"),
      remove_(database, "DELETE FROM document WHERE container = ?1 AND kind = ?2"),
      remove_all_(database, "DELETE FROM document WHERE container = ?1") {}

Result<std::vector<DocumentRow>> DocumentTable::after(ContainerId container, std::string_view kind,
                                                      int limit) {
    Query query(after_, container, kind, limit);
    std::vector<DocumentRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        rows.push_back({.container = ContainerId(query.as<std::uint64_t>(0)),
                        .kind = query.text(1),
                        .body = query.text(2)});
    }
}

Result<void> DocumentTable::put(const DocumentRow& row) {
    Query query(put_, row.container, row.kind, row.body);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> DocumentTable::remove(ContainerId container, std::string_view kind) {
    Query query(remove_, container, kind);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound,
                     fmt::format("no {} document of container {}", kind, container.value()));
    return done();
}

Result<void> DocumentTable::remove_all(ContainerId container) {
    Query query(remove_all_, container);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

}  // namespace reelfs::catalog
