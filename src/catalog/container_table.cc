// Statements on containers, see container_table.h.
#include "catalog/container_table.h"

#include <fmt/format.h>

namespace reelfs::catalog {

namespace {

ContainerRow container_row(const Query& query) {
    return {.container = ContainerId(query.as<std::uint64_t>(0)),
            .root = NodeId(query.as<std::uint64_t>(1)),
            .block_shift = query.as<std::uint8_t>(2),
            .created = Timestamp{query.integer(3)},
            .endpoint_id = query.text(4),
            .profile = query.text(5)};
}

}  // namespace

ContainerTable::ContainerTable(Preparation& preparation)
    : all_(preparation,
           "SELECT id, root, block_shift, created, endpoint, profile FROM container ORDER BY id"),
      find_(preparation,
            "SELECT id, root, block_shift, created, endpoint, profile FROM container "
            "WHERE id = ?1"),
      insert_(preparation,
              "INSERT INTO container(id, root, block_shift, created, endpoint, profile) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
      remove_(preparation, "DELETE FROM container WHERE id = ?1") {}

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
                row.profile);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> ContainerTable::remove(ContainerId container) {
    Query query(remove_, container);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound, fmt::format("no container {}", container.value()));
    return done();
}

}  // namespace reelfs::catalog
