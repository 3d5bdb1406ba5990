// Statements on slices and extents, see extent_table.h.
#include "catalog/extent_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace reelfs::catalog {

namespace {

/// SQLite's integers are signed; no offset of ours is that large.
std::uint64_t clamp(std::uint64_t offset) {
    return std::min<std::uint64_t>(offset, std::numeric_limits<std::int64_t>::max());
}

Error absent(ExtentId extent) {
    return Error(Errc::kNotFound, fmt::format("extent {} is not in the catalog", extent.value()));
}

}  // namespace

Result<ExtentRow> extent_row(const Query& query, int first) {
    ExtentRow row;
    ExtentShape& shape = row.shape;
    shape.extent = ExtentId(query.as<std::uint64_t>(first));
    shape.container = ContainerId(query.as<std::uint64_t>(first + 1));
    shape.key = KeyId(query.as<std::uint32_t>(first + 2));
    const Bytes salt = query.bytes(first + 3);
    if (salt.size() != shape.salt.size())
        return Error(Errc::kCorrupt,
                     fmt::format("extent {} has a bad salt in the catalog", shape.extent.value()));
    std::copy(salt.begin(), salt.end(), shape.salt.begin());
    shape.cipher = query.as<std::uint8_t>(first + 4);
    shape.block_shift = query.as<std::uint8_t>(first + 5);
    shape.plain_bytes = query.as<std::uint32_t>(first + 6);
    if (const Bytes name = query.bytes(first + 7); !name.empty()) {
        row.location.pack.emplace();
        std::copy_n(name.begin(), std::min(name.size(), row.location.pack->bytes.size()),
                    row.location.pack->bytes.begin());
    }
    row.location.offset = query.as<std::uint64_t>(first + 8);
    row.location.length = query.as<std::uint64_t>(first + 9);
    row.shared = query.integer(first + 10) != 0;
    return row;
}

ExtentTable::ExtentTable(Database& database, PackTable& packs)
    : packs_(packs),
      slices_(database, "SELECT slice.file_offset, slice.length, slice.start, " RF_EXTENT_COLUMNS
                        " FROM slice LEFT JOIN extent ON extent.id = slice.extent "
                        "LEFT JOIN pack ON pack.id = extent.pack "
                        "WHERE slice.node = ?1 AND slice.file_offset >= ?2 "
                        "ORDER BY slice.file_offset LIMIT ?3"),
      find_(database, "SELECT " RF_EXTENT_COLUMNS
                      " FROM extent LEFT JOIN pack ON pack.id = extent.pack "
                      "WHERE extent.id = ?1"),
      in_pack_(database, "SELECT extent.node, extent.file_offset, " RF_EXTENT_COLUMNS
                         " FROM extent CROSS JOIN pack ON pack.id = extent.pack "
                         "WHERE extent.pack = ?1 AND extent.offset >= ?2 "
                         "ORDER BY extent.offset LIMIT ?3"),
      after_(database, "SELECT extent.node, extent.file_offset, " RF_EXTENT_COLUMNS
                       " FROM extent LEFT JOIN pack ON pack.id = extent.pack "
                       "WHERE extent.id > ?1 ORDER BY extent.id LIMIT ?2"),
      inline_bytes_(database, "SELECT bytes FROM extent WHERE id = ?1 AND bytes IS NOT NULL"),
      insert_slice_(database,
                    "INSERT INTO slice(node, file_offset, length, extent, start) "
                    "VALUES (?1, ?2, ?3, ?4, ?5)"),
      own_(database,
           "UPDATE extent SET file_offset = iif(node = ?2, min(file_offset, ?3), ?3), node = ?2 "
           "WHERE id = ?1 AND pack IS NOT NULL AND shared = 0"),
      remove_slice_(database, "DELETE FROM slice WHERE node = ?1 AND file_offset = ?2"),
      insert_(database,
              "INSERT INTO extent(id, container, key, salt, cipher, block_shift, plain_bytes, "
              "pack, offset, length, node, file_offset, bytes) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, ?11)"),
      remove_(database, "DELETE FROM extent WHERE id = ?1"),
      count_(database, "SELECT count(*) FROM extent"),
      slices_after_(database,
                    "SELECT node, file_offset, length, extent, start FROM slice "
                    "WHERE (node, file_offset) > (?1, ?2) ORDER BY node, file_offset LIMIT ?3"),
      share_(database, "UPDATE extent SET shared = 1 WHERE id = ?1 AND shared = 0"),
      // From the last run that begins at or before the block asked for.
      runs_(database,
            "SELECT first, count, refs FROM share WHERE extent = ?1 AND first >= "
            "ifnull((SELECT max(first) FROM share WHERE extent = ?1 AND first <= ?2), 0) "
            "AND first <= ?3 ORDER BY first"),
      any_run_(database, "SELECT 1 FROM share WHERE extent = ?1 LIMIT 1"),
      runs_after_(database,
                  "SELECT extent, first, count, refs FROM share "
                  "WHERE (extent, first) > (?1, ?2) ORDER BY extent, first LIMIT ?3"),
      insert_run_(database,
                  "INSERT INTO share(extent, first, count, refs) VALUES (?1, ?2, ?3, ?4)"),
      remove_run_(database, "DELETE FROM share WHERE extent = ?1 AND first = ?2") {}

Result<std::vector<SliceRow>> ExtentTable::slices(NodeId node, std::uint64_t from, int limit) {
    Query query(slices_, node, clamp(from), limit);
    std::vector<SliceRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        if (query.null(3))
            return Error(Errc::kCorrupt,
                         fmt::format("the slice of node {} at {} has no extent in the catalog",
                                     node.value(), query.integer(0)));
        SliceRow row;
        RF_TRY(row.extent, extent_row(query, 3));
        row.slice = {.file_offset = query.as<std::uint64_t>(0),
                     .length = query.as<std::uint64_t>(1),
                     .extent = row.extent.shape.extent,
                     .start = query.as<std::uint64_t>(2)};
        rows.push_back(std::move(row));
    }
}

Result<std::optional<ExtentRow>> ExtentTable::find(ExtentId extent) {
    Query query(find_, extent);
    RF_TRY(bool found, query.step());
    if (!found) return std::optional<ExtentRow>();
    RF_TRY(ExtentRow row, extent_row(query, 0));
    return std::optional<ExtentRow>(std::move(row));
}

namespace {

Result<std::vector<Reader::PackExtent>> owned_extents(Query& query) {
    std::vector<Reader::PackExtent> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        RF_TRY(ExtentRow extent, extent_row(query, 2));
        rows.push_back({.extent = std::move(extent),
                        .node = NodeId(query.as<std::uint64_t>(0)),
                        .file_offset = query.as<std::uint64_t>(1)});
    }
}

}  // namespace

Result<std::vector<Reader::PackExtent>> ExtentTable::in_pack(const PackId& pack, std::uint64_t from,
                                                             int limit) {
    RF_TRY(const std::int64_t key, packs_.key(pack));
    Query query(in_pack_, key, clamp(from), limit);
    return owned_extents(query);
}

Result<std::vector<std::byte>> ExtentTable::inline_bytes(ExtentId extent) {
    Query query(inline_bytes_, extent);
    RF_TRY(bool found, query.step());
    if (!found) return absent(extent);
    return copy_of(query.bytes(0));
}

Result<void> ExtentTable::insert_slice(NodeId node, const Slice& slice) {
    {
        Query query(insert_slice_, node, slice.file_offset, slice.length, slice.extent,
                    slice.start);
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    Query query(own_, slice.extent, node, slice.file_offset);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> ExtentTable::remove_slice(NodeId node, std::uint64_t file_offset) {
    Query query(remove_slice_, node, file_offset);
    RF_TRY(int changed, query.run());
    if (changed == 0)
        return Error(Errc::kNotFound,
                     fmt::format("node {} has no slice at {}", node.value(), file_offset));
    return done();
}

Result<void> ExtentTable::insert(const ExtentRow& row, std::optional<Bytes> inline_bytes) {
    const ExtentShape& shape = row.shape;
    const Location& location = row.location;
    if (location.pack.has_value() == inline_bytes.has_value())
        return Error(Errc::kInvalid, fmt::format("extent {} must be either in a pack or inline",
                                                 shape.extent.value()));
    std::optional<std::int64_t> pack;
    if (location.pack) {
        RF_TRY(pack, packs_.key(*location.pack));
    }
    {
        Query query(insert_, shape.extent, shape.container, shape.key, Bytes(shape.salt),
                    shape.cipher, shape.block_shift, shape.plain_bytes, pack, location.offset,
                    location.length, inline_bytes);
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    if (!pack) return done();
    return packs_.add_live(*pack, static_cast<std::int64_t>(location.length));
}

Result<void> ExtentTable::remove(ExtentId extent) {
    Query query(remove_, extent);
    RF_TRY(int changed, query.run());
    if (changed == 0) return absent(extent);
    return done();
}

Result<std::vector<Reader::NodeSlice>> ExtentTable::slices_after(NodeId node,
                                                                 std::int64_t file_offset,
                                                                 int limit) {
    Query query(slices_after_, node, file_offset, limit);
    std::vector<Reader::NodeSlice> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        rows.push_back({.node = NodeId(query.as<std::uint64_t>(0)),
                        .slice = {.file_offset = query.as<std::uint64_t>(1),
                                  .length = query.as<std::uint64_t>(2),
                                  .extent = ExtentId(query.as<std::uint64_t>(3)),
                                  .start = query.as<std::uint64_t>(4)}});
    }
}

Result<std::vector<Reader::PackExtent>> ExtentTable::after(ExtentId after, int limit) {
    Query query(after_, after, limit);
    return owned_extents(query);
}

Result<void> ExtentTable::share(ExtentId extent, std::span<const RefRun> runs) {
    {
        Query query(share_, extent);
        RF_TRY(int changed, query.run());
        if (changed == 0)
            return Error(Errc::kCorrupt,
                         fmt::format("extent {} is absent or shared already", extent.value()));
    }
    return replace_runs(extent, {}, runs);
}

namespace {

RefRun run_of(const Query& query, int column) {
    return {.first = BlockIndex(query.as<std::uint32_t>(column)),
            .count = query.as<std::uint32_t>(column + 1),
            .refs = query.as<std::uint32_t>(column + 2)};
}

}  // namespace

Result<std::vector<RefRun>> ExtentTable::runs(ExtentId extent, std::uint32_t from,
                                              std::uint32_t to) {
    // The block before and the one behind, too: what adjoins.
    Query query(runs_, extent, from == 0 ? from : from - 1, to);
    std::vector<RefRun> runs;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return runs;
        runs.push_back(run_of(query, 0));
    }
}

Result<bool> ExtentTable::any_run(ExtentId extent) {
    Query query(any_run_, extent);
    return query.step();
}

Result<std::vector<Reader::ExtentRun>> ExtentTable::runs_after(ExtentId extent, std::int64_t first,
                                                               int limit) {
    Query query(runs_after_, extent, first, limit);
    std::vector<Reader::ExtentRun> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        rows.push_back({.extent = ExtentId(query.as<std::uint64_t>(0)), .run = run_of(query, 1)});
    }
}

Result<void> ExtentTable::replace_runs(ExtentId extent, std::span<const RefRun> before,
                                       std::span<const RefRun> after) {
    const auto in = [](std::span<const RefRun> runs, const RefRun& run) {
        const auto at =
            std::lower_bound(runs.begin(), runs.end(), run.first,
                             [](const RefRun& one, BlockIndex first) { return one.first < first; });
        return at != runs.end() && *at == run;
    };
    for (const RefRun& run : before) {
        if (in(after, run)) continue;
        Query query(remove_run_, extent, run.first.value());
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    for (const RefRun& run : after) {
        if (in(before, run)) continue;
        Query query(insert_run_, extent, run.first.value(), run.count, run.refs);
        RF_TRY([[maybe_unused]] int changed, query.run());
    }
    return done();
}

Result<std::uint64_t> ExtentTable::count() {
    Query query(count_);
    RF_TRY([[maybe_unused]] bool row, query.step());
    return query.as<std::uint64_t>(0);
}

}  // namespace reelfs::catalog
