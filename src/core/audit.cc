#include "reelfs/core/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "reelfs/content/extent_codec.h"
#include "reelfs/model/block_refs.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

using catalog::Catalog;
using catalog::Reader;

constexpr int kRows = limits::catalog_step_rows_max;

/// Calls `read` for one step after another until one gives less than a whole step, and `take` for
/// each row.
template <class Row, class Read, class Take>
Result<void> walk(Catalog& catalog, Read read, Take take) {
    while (true) {
        std::vector<Row> rows;
        RF_CHECK(catalog.read([&](Reader& r) -> Result<void> {
            RF_TRY(rows, read(r));
            return done();
        }));
        for (const Row& row : rows) RF_CHECK(take(row));
        if (rows.size() < static_cast<std::size_t>(kRows)) return done();
    }
}

struct Run {
    std::uint64_t from = 0, to = 0;  // in the pack
    ExtentId extent;                 // null: freed, waiting to be given back
};

class Audit {
  public:
    explicit Audit(Catalog& catalog) : catalog_(catalog) {}

    Result<std::vector<std::string>> run() {
        RF_CHECK(read_slices());
        RF_CHECK(read_shares());
        RF_CHECK(check_extents());
        for (const auto& [extent, slices] : slices_of_)
            find("{} slices name extent {}, which does not exist", slices.size(), extent.value());
        for (const auto& [extent, runs] : shares_of_)
            find("blocks of extent {}, which does not exist, are counted", extent.value());
        RF_CHECK(check_packs());
        return std::move(found_);
    }

  private:
    template <class... Values>
    void find(fmt::format_string<Values...> words, Values&&... values) {
        found_.push_back(fmt::format(words, std::forward<Values>(values)...));
    }

    /// A node: its slices do not overlap and end within its size, and it says how much they hold.
    Result<void> finish_node() {
        if (node_ == NodeId()) return done();
        std::optional<catalog::NodeRow> row;
        RF_CHECK(catalog_.read([&](Reader& r) -> Result<void> {
            RF_TRY(row, r.node(node_));
            return done();
        }));
        if (!row) {
            find("node {} has slices and does not exist", node_.value());
            return done();
        }
        container_of_[node_] = row->attributes.container;
        // An orphan loses its content from the end, and its row at last.
        if (row->attributes.links == 0) return done();
        if (node_end_ > row->attributes.size)
            find("node {} has {} bytes, and content up to {}", node_.value(), row->attributes.size,
                 node_end_);
        if (const std::uint64_t held = (node_held_ + 511) / 512 * 512;
            held != row->attributes.allocated_bytes)
            find("node {} says it occupies {} bytes, and holds {}", node_.value(),
                 row->attributes.allocated_bytes, held);
        return done();
    }

    Result<void> read_slices() {
        std::int64_t last_offset = -1;
        NodeId last_node;
        RF_CHECK(walk<Reader::NodeSlice>(
            catalog_, [&](Reader& r) { return r.slices_after(last_node, last_offset, kRows); },
            [&](const Reader::NodeSlice& row) -> Result<void> {
                if (row.node != node_) {
                    RF_CHECK(finish_node());
                    node_ = row.node;
                    node_end_ = node_held_ = 0;
                }
                if (row.slice.length == 0 || row.slice.file_offset < node_end_)
                    find("the slice at {} of node {} overlaps the one before, or is empty",
                         row.slice.file_offset, row.node.value());
                node_end_ = row.slice.end();
                node_held_ += row.slice.length;
                slices_of_[row.slice.extent].push_back(row);
                last_node = row.node;
                last_offset = static_cast<std::int64_t>(row.slice.file_offset);
                return done();
            }));
        return finish_node();
    }

    Result<void> read_shares() {
        ExtentId last;
        std::int64_t first = -1;
        return walk<Reader::ExtentRun>(
            catalog_, [&](Reader& r) { return r.shares_after(last, first, kRows); },
            [&](const Reader::ExtentRun& row) -> Result<void> {
                shares_of_[row.extent].push_back(row.run);
                last = row.extent;
                first = row.run.first.value();
                return done();
            });
    }

    Result<void> check_extents() {
        ExtentId last;
        return walk<Reader::PackExtent>(
            catalog_, [&](Reader& r) { return r.extents_after(last, kRows); },
            [&](const Reader::PackExtent& row) -> Result<void> {
                last = row.extent.shape.extent;
                check_extent(row.extent);
                return done();
            });
    }

    /// An extent: somebody names it; slices are inside it and of its container. Unshared: one node,
    /// one distance, and no counts. Shared: for each block as many as there are slices that touch
    /// it.
    void check_extent(const PlacedExtent& extent) {
        const ExtentId id = extent.shape.extent;
        const auto rows = slices_of_.extract(id);
        const auto counted = shares_of_.extract(id);
        if (rows.empty()) return find("extent {} belongs to no file", id.value());
        std::vector<Slice> slices;
        for (const Reader::NodeSlice& row : rows.mapped()) {
            slices.push_back(row.slice);
            if (row.slice.start + row.slice.length > extent.shape.plain_bytes)
                return find("the slice at {} of node {} reaches beyond extent {}",
                            row.slice.file_offset, row.node.value(), id.value());
            if (auto owner = container_of_.find(row.node);
                owner != container_of_.end() && owner->second != extent.shape.container)
                find("node {} has bytes of extent {}, which is of another container",
                     row.node.value(), id.value());
            const Reader::NodeSlice& first = rows.mapped().front();
            if (!extent.shared &&
                (row.node != first.node || row.slice.file_offset - row.slice.start !=
                                               first.slice.file_offset - first.slice.start))
                find("extent {} is not shared, and stands in node {} at {} as well as in node {}",
                     id.value(), row.node.value(), row.slice.file_offset, first.node.value());
        }
        const auto refs = count_refs(slices, extent.shape.block_shift);
        if (!extent.shared && !counted.empty())
            find("extent {} is not shared, and its blocks are counted", id.value());
        if (extent.shared && (counted.empty() || flat(counted.mapped()) != flat(refs)))
            find("the blocks of shared extent {} are not counted as its {} slices touch them",
                 id.value(), slices.size());
        if (extent.location.pack) note_live(extent, refs);
    }

    static std::map<std::uint32_t, std::uint32_t> flat(const std::vector<RefRun>& runs) {
        std::map<std::uint32_t, std::uint32_t> refs;
        for (const RefRun& run : runs)
            for (std::uint32_t block = run.first.value(); block < run.end(); ++block)
                refs[block] += run.refs;
        return refs;
    }

    /// What of its pack a living extent needs: its head, and the blocks that are touched; the
    /// padding goes with the last block.
    void note_live(const PlacedExtent& extent, const std::vector<RefRun>& refs) {
        const content::ExtentLayout layout(extent.shape);
        const std::uint64_t begin = extent.location.offset;
        std::vector<Run>& runs = runs_of_[*extent.location.pack];
        runs.push_back({begin, begin + layout.body_offset(), extent.shape.extent});
        for (const RefRun& run : refs) {
            const BlockIndex last(run.end() - 1);
            runs.push_back({begin + layout.sealed_start(run.first),
                            run.end() == layout.block_count()
                                ? begin + extent.location.length
                                : begin + layout.sealed_start(last) + layout.sealed_length(last),
                            extent.shape.extent});
        }
    }

    /// A pack: as many live bytes as its extents need, and nothing is both needed and freed, or
    /// freed twice.
    Result<void> check_packs() {
        std::vector<catalog::PackRow> packs;
        std::vector<catalog::FreedRow> freed;
        RF_CHECK(catalog_.read([&](Reader& r) -> Result<void> {
            RF_TRY(packs, r.packs());
            RF_TRY(freed, r.freed(kRows));  // the oldest; those behind are as good a sample
            return done();
        }));
        for (const auto& pack : packs) {
            std::int64_t live = 0;
            for (const Run& run : runs_of_[pack.pack])
                live += static_cast<std::int64_t>(run.to - run.from);
            if (live != pack.live_bytes)
                find("pack {} says {} of its bytes are in use, and {} are", pack.pack.hex(),
                     pack.live_bytes, live);
        }
        for (const auto& row : freed)
            runs_of_[row.range.pack].push_back(
                {row.range.offset, row.range.offset + row.range.length, ExtentId()});
        for (auto& [pack, runs] : runs_of_) {
            std::sort(runs.begin(), runs.end(),
                      [](const Run& a, const Run& b) { return a.from < b.from; });
            for (std::size_t i = 1; i < runs.size(); ++i)
                if (runs[i].from < runs[i - 1].to)
                    find("pack {}: bytes from {} are of extent {} and of extent {} (0: freed)",
                         pack.hex(), runs[i].from, runs[i - 1].extent.value(),
                         runs[i].extent.value());
            if (std::none_of(packs.begin(), packs.end(),
                             [&id = pack](const auto& row) { return row.pack == id; }))
                find("pack {} is in use and has no row", pack.hex());
        }
        return done();
    }

    Catalog& catalog_;
    NodeId node_;  // whose slices are being read
    std::uint64_t node_end_ = 0, node_held_ = 0;
    std::unordered_map<NodeId, ContainerId> container_of_;
    std::unordered_map<ExtentId, std::vector<Reader::NodeSlice>> slices_of_;
    std::unordered_map<ExtentId, std::vector<RefRun>> shares_of_;
    std::unordered_map<PackId, std::vector<Run>> runs_of_;
    std::vector<std::string> found_;
};

}  // namespace

Result<std::vector<std::string>> audit_content(catalog::Catalog& catalog) {
    return Audit(catalog).run();
}

}  // namespace reelfs::core
