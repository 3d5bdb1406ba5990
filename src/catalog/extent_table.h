// Slices, extents, their shares, packs and freed ranges: which bytes make a file, and where they
// stand. Used under the connection's lock.
//
// A pack is known outside by its 128-bit name; rows refer to it by a small integer key.
#pragma once

#include "catalog/database.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::catalog {

class PackTable {
  public:
    explicit PackTable(Database& database);

    Result<std::vector<PackRow>> all();
    Result<std::optional<PackRow>> find(const PackId& pack);
    /// kNotFound when absent.
    Result<std::int64_t> key(const PackId& pack);
    Result<void> insert(const PackRow& row);
    Result<void> update(const PackId& pack, PackState state, std::uint64_t durable_end);
    /// kNotEmpty while an extent is in it; its freed ranges go with it.
    Result<void> remove(const PackId& pack);
    Result<void> add_live(std::int64_t key, std::int64_t bytes);
    Result<void> set_live(const PackId& pack, std::int64_t bytes);
    Result<std::uint64_t> count();

    Result<std::vector<FreedRow>> freed(int limit);
    Result<std::uint64_t> freed_bytes();
    Result<void> insert_freed(const FreedRange& range);
    Result<void> remove_freed(std::uint64_t row);

  private:
    Statement all_;
    Statement find_;
    Statement key_;
    Statement insert_;
    Statement update_;
    Statement remove_;
    Statement in_use_;
    Statement add_live_;
    Statement set_live_;
    Statement count_;
    Statement freed_;
    Statement freed_bytes_;
    Statement insert_freed_;
    Statement remove_freed_;
    Statement remove_freed_of_;
};

#define RF_EXTENT_COLUMNS                                                                       \
    "extent.id, extent.container, extent.key, extent.salt, extent.cipher, extent.block_shift, " \
    "extent.plain_bytes, pack.name, extent.offset, extent.length, extent.shared"
/// From RF_EXTENT_COLUMNS, beginning at column `first`.
Result<ExtentRow> extent_row(const Query& query, int first);

class ExtentTable {
  public:
    ExtentTable(Database& database, PackTable& packs);

    Result<std::vector<SliceRow>> slices(NodeId node, std::uint64_t from, int limit);
    Result<std::optional<ExtentRow>> find(ExtentId extent);
    Result<std::vector<Reader::PackExtent>> in_pack(const PackId& pack, std::uint64_t from,
                                                    int limit);
    Result<std::vector<std::byte>> inline_bytes(ExtentId extent);
    Result<void> insert_slice(NodeId node, const Slice& slice);
    Result<void> remove_slice(NodeId node, std::uint64_t file_offset);
    Result<void> insert(const ExtentRow& row, std::optional<Bytes> inline_bytes);
    Result<void> remove(ExtentId extent);
    Result<std::uint64_t> count();
    Result<std::vector<Reader::NodeSlice>> slices_after(NodeId node, std::int64_t file_offset,
                                                        int limit);
    Result<std::vector<Reader::PackExtent>> after(ExtentId after, int limit);
    Result<void> share(ExtentId extent, std::span<const RefRun> runs);
    Result<std::vector<RefRun>> runs(ExtentId extent, std::uint32_t from, std::uint32_t to);
    Result<bool> any_run(ExtentId extent);
    Result<std::vector<Reader::ExtentRun>> runs_after(ExtentId extent, std::int64_t first,
                                                      int limit);
    Result<void> replace_runs(ExtentId extent, std::span<const RefRun> before,
                              std::span<const RefRun> after);

  private:
    PackTable& packs_;
    Statement slices_;
    Statement find_;
    Statement in_pack_;
    Statement after_;
    Statement inline_bytes_;
    Statement insert_slice_;
    Statement own_;
    Statement remove_slice_;
    Statement insert_;
    Statement remove_;
    Statement count_;
    Statement slices_after_;
    Statement share_;
    Statement runs_;
    Statement any_run_;
    Statement runs_after_;
    Statement insert_run_;
    Statement remove_run_;
};

}  // namespace reelfs::catalog
