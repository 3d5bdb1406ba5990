// Walks over all rows of a kind, in short reads: others use the catalog between two steps, and a
// row that changes meanwhile is seen before, after, or not at all.
#pragma once

#include <vector>

#include "reelfs/catalog/catalog.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

inline constexpr int kWalkRows = limits::catalog_step_rows_max;

/// Calls `read` for one step after another until one gives less than a whole step, and `take` for
/// each row.
template <class Row, class Read, class Take>
Result<void> walk(catalog::Catalog& catalog, Read read, Take take) {
    while (true) {
        std::vector<Row> rows;
        RF_CHECK(catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(rows, read(r));
            return done();
        }));
        for (const Row& row : rows) RF_CHECK(take(row));
        if (rows.size() < static_cast<std::size_t>(kWalkRows)) return done();
    }
}

/// Over the slices of all nodes, in order.
template <class Take>
Result<void> walk_slices(catalog::Catalog& catalog, Take take) {
    using NodeSlice = catalog::Reader::NodeSlice;
    NodeId node;
    std::int64_t offset = -1;
    return walk<NodeSlice>(
        catalog, [&](catalog::Reader& r) { return r.slices_after(node, offset, kWalkRows); },
        [&](const NodeSlice& row) -> Result<void> {
            node = row.node;
            offset = static_cast<std::int64_t>(row.slice.file_offset);
            return take(row);
        });
}

/// Over all extents, by id.
template <class Take>
Result<void> walk_extents(catalog::Catalog& catalog, Take take) {
    using PackExtent = catalog::Reader::PackExtent;
    ExtentId last;
    return walk<PackExtent>(
        catalog, [&](catalog::Reader& r) { return r.extents_after(last, kWalkRows); },
        [&](const PackExtent& row) -> Result<void> {
            last = row.extent.shape.extent;
            return take(row);
        });
}

/// Over all nodes, by id.
template <class Take>
Result<void> walk_nodes(catalog::Catalog& catalog, Take take) {
    NodeId last;
    return walk<catalog::NodeRow>(
        catalog, [&](catalog::Reader& r) { return r.nodes_after(last, kWalkRows); },
        [&](const catalog::NodeRow& row) -> Result<void> {
            last = row.attributes.node;
            return take(row);
        });
}

}  // namespace reelfs::core
