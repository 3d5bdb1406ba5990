#include "core/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/write_rows.h"
#include "reelfs/base/log.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

using catalog::PackRow;
using catalog::Reader;
using catalog::Writer;

/// True when the extent's bytes are on the disk, whole and authentic. False also for an extent
/// whose dead blocks have been punched: read_slice() tells.
bool opens(Context& context, const PlacedExtent& extent) {
    auto key = context.keys.container_key(extent.shape.container, extent.shape.key);
    if (!key) return false;
    Buffer sealed(content::ExtentLayout(extent.shape).total_length());
    if (!context.store.read(extent.location, 0, sealed.span())) return false;
    return content::verify_extent(**key, extent.shape, sealed.span()).ok();
}

/// True when the bytes that the file still has from this extent are there.
bool read_slice(Context& context, const Slice& slice, const PlacedExtent& extent) {
    Buffer plain(slice.length);
    return context.reader.read(extent, slice.start, plain.span(), content::Caching::kBypass).ok();
}

Result<void> check_pack(Context& context, const PackRow& pack,
                        std::map<NodeId, std::set<ExtentId>>& suspects) {
    bool settled = false;
    for (std::uint64_t from = pack.durable_end;;) {
        std::vector<Reader::PackExtent> extents;
        RF_CHECK(context.catalog.read([&](Reader& r) -> Result<void> {
            RF_TRY(extents, r.extents_in_pack(pack.pack, from, limits::catalog_step_rows_max));
            return done();
        }));
        if (!extents.empty() && !settled) {
            if (auto done_settling = context.store.settle(pack.pack);
                !done_settling && done_settling.error().code() != Errc::kNotFound)
                return done_settling;
            settled = true;
        }
        for (const auto& found : extents) {
            from = found.extent.location.offset + found.extent.location.length;
            // What is shared was durable before: when it does not open it is damaged, and no file
            // is cut for that.
            if (!found.extent.shared && !opens(context, found.extent))
                suspects[found.node].insert(found.extent.shape.extent);
        }
        if (extents.size() < static_cast<std::size_t>(limits::catalog_step_rows_max)) return done();
    }
}

Result<std::string> cut_file(Context& context, NodeId id, const std::set<ExtentId>& suspects) {
    FileMap map;
    std::uint64_t cut = UINT64_MAX;
    std::vector<catalog::SliceRow> doubtful;
    for (std::uint64_t from = 0;;) {
        std::size_t count = 0;
        RF_CHECK(context.catalog.read([&](Reader& r) -> Result<void> {
            RF_TRY(auto rows, r.slices(id, from, limits::catalog_step_rows_max));
            count = rows.size();
            for (const auto& row : rows) {
                map.load(row.slice, row.extent);
                if (suspects.contains(row.slice.extent)) doubtful.push_back(row);
                from = row.slice.end();
            }
            return done();
        }));
        if (count < static_cast<std::size_t>(limits::catalog_step_rows_max)) break;
    }
    for (const auto& row : doubtful)
        if (!read_slice(context, row.slice, row.extent)) cut = std::min(cut, row.slice.file_offset);
    if (cut == UINT64_MAX) return std::string();
    std::uint64_t before = 0;
    const MapEdit edit = map.plan_remove(cut, UINT64_MAX - cut);
    RF_CHECK(context.catalog.write([&](Writer& w) -> Result<void> {
        RF_CHECK(write_edit(w, id, map, edit, [](ExtentId) { return std::nullopt; }));
        RF_TRY(auto row, w.node(id));
        if (!row) return Error(Errc::kCorrupt, "slices without a node");
        before = row->attributes.size;
        row->attributes.size = cut;
        std::uint64_t held = map.held_bytes();
        for (const Slice& slice : edit.added) held += slice.length;
        for (const Slice& slice : edit.removed) held -= slice.length;
        row->attributes.allocated_bytes = (held + 511) / 512 * 512;
        row->etag = context.new_etag();
        return w.update_node(*row);
    }));
    return fmt::format(
        "file {}: cut from {} to {} bytes: what lay beyond had not reached the disk and was never "
        "promised",
        id.value(), before, cut);
}

}  // namespace

Result<std::vector<std::string>> recover(Context& context) {
    std::vector<std::string> report;
    RF_CHECK(context.catalog.sync());
    std::vector<PackRow> packs;
    RF_CHECK(context.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(packs, r.packs());
        return done();
    }));
    std::map<NodeId, std::set<ExtentId>> suspects;
    for (const PackRow& pack : packs) RF_CHECK(check_pack(context, pack, suspects));
    for (const auto& [node, extents] : suspects) {
        RF_TRY(std::string line, cut_file(context, node, extents));
        if (!line.empty()) report.push_back(std::move(line));
    }
    std::set<PackId> known;
    for (const PackRow& pack : packs) known.insert(pack.pack);
    RF_TRY(auto present, context.store.list());
    std::map<PackId, std::uint64_t> length_of;
    for (const auto& pack : present) {
        length_of[pack.pack] = pack.bytes;
        if (known.contains(pack.pack)) continue;
        RF_CHECK(context.store.set_aside(pack.pack));
        report.push_back(
            fmt::format("pack {} ({} bytes) is not known to the catalog and was set aside",
                        pack.pack.hex(), pack.bytes));
    }
    // What opened is durable: it was read from the device. The next recovery need not look at it
    // again.
    RF_CHECK(context.catalog.write([&](Writer& w) -> Result<void> {
        for (const PackRow& pack : packs)
            RF_CHECK(w.update_pack(pack.pack, catalog::PackState::kClosed,
                                   std::max(pack.durable_end, length_of[pack.pack])));
        return done();
    }));
    RF_CHECK(context.catalog.sync());
    return report;
}

Result<std::vector<NodeId>> adopt_leftovers(Context& context) {
    std::vector<NodeId> orphans;
    RF_CHECK(context.catalog.write([&](Writer& w) -> Result<void> {
        RF_TRY(auto packs, w.packs());
        for (const PackRow& pack : packs)
            if (pack.state == catalog::PackState::kOpen)
                RF_CHECK(w.update_pack(pack.pack, catalog::PackState::kClosed, pack.durable_end));
        return done();
    }));
    for (NodeId after;;) {
        std::vector<NodeId> step;
        RF_CHECK(context.catalog.read([&](Reader& r) -> Result<void> {
            RF_TRY(step, r.orphans(after, limits::catalog_step_rows_max));
            return done();
        }));
        orphans.insert(orphans.end(), step.begin(), step.end());
        if (step.size() < static_cast<std::size_t>(limits::catalog_step_rows_max)) return orphans;
        after = step.back();
    }
}

}  // namespace reelfs::core
