#include "reelfs/core/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <unordered_set>

#include "core/catalog_walk.h"
#include "core/verify.h"
#include "reelfs/model/block_refs.h"
#include "reelfs/model/check_limits.h"

namespace reelfs::core {

namespace {

using catalog::AuditMode;
using catalog::Catalog;
using catalog::Reader;
using catalog::Writer;

struct Run {
    std::uint64_t from = 0, to = 0;  // in the pack
    ExtentId extent;                 // null: freed, waiting to be given back, by
    std::uint64_t row = 0;           // this row
};

/// What the slices of a node come to.
struct NodeUse {
    std::uint64_t end = 0, held = 0;
};

class Audit {
  public:
    Audit(Catalog& catalog, Job& job) : catalog_(catalog), job_(job) {}

    Result<ContentAudit> run(AuditMode mode) {
        RF_CHECK(read_slices());
        RF_CHECK(read_nodes());
        RF_CHECK(check_usage());
        RF_CHECK(read_shares());
        RF_CHECK(check_extents());
        for (const auto& [extent, slices] : slices_of_)
            for (const Reader::NodeSlice& row : slices)
                find(row.node, "bytes {} to {} are lost: their extent {} does not exist",
                     row.slice.file_offset, row.slice.end() - 1, extent.value());
        for (const auto& [extent, runs] : shares_of_) forget_counts(extent, runs);
        RF_CHECK(check_packs());
        RF_CHECK(job_.check_cancelled());
        if (mode == AuditMode::kRepair && !repairs_.empty())
            RF_CHECK(catalog_.write([&](Writer& w) -> Result<void> {
                for (const auto& repair : repairs_) RF_CHECK(repair(w));
                return done();
            }));
        return std::move(result_);
    }

  private:
    using Repair = std::function<Result<void>(Writer&)>;

    void add(ContentFinding finding) {
        if (result_.findings.size() < limits::findings_max)
            result_.findings.push_back(std::move(finding));
        else
            ++result_.more;
    }
    template <class... Values>
    void find(std::optional<NodeId> node, fmt::format_string<Values...> words, Values&&... values) {
        add({fmt::format(words, std::forward<Values>(values)...), node, false});
    }
    template <class... Values>
    void mend(std::optional<NodeId> node, Repair repair, fmt::format_string<Values...> words,
              Values&&... values) {
        add({fmt::format(words, std::forward<Values>(values)...), node, true});
        repairs_.push_back(std::move(repair));
    }

    /// Slices of a node do not overlap.
    Result<void> read_slices() {
        return walk_slices(catalog_, [&](const Reader::NodeSlice& row) -> Result<void> {
            RF_CHECK(job_.check_cancelled());
            NodeUse& use = uses_[row.node];
            if (row.slice.length == 0 || row.slice.file_offset < use.end)
                find(row.node, "the slice at {} overlaps the one before, or is empty",
                     row.slice.file_offset);
            use.end = row.slice.end();
            use.held += row.slice.length;
            slices_of_[row.slice.extent].push_back(row);
            return done();
        });
    }

    /// Only files have slices; they end within the size, and the node says how much they hold.
    Result<void> read_nodes() {
        RF_CHECK(walk_nodes(catalog_, [&](const catalog::NodeRow& row) -> Result<void> {
            RF_CHECK(job_.check_cancelled());
            check_node(row.attributes);
            return done();
        }));
        // Their content is there, and may be all that is left of a file whose row is lost.
        for (const auto& [node, use] : uses_) {
            living_.insert(node);
            find({}, "{} bytes are in the map of node {}, which is no file", use.held,
                 node.value());
        }
        return done();
    }

    void check_node(const Attributes& attributes) {
        const NodeId id = attributes.node;
        if (attributes.links > 0) {
            Usage& usage = usages_[attributes.container];
            ++usage.objects;
        }
        usages_[attributes.container].bytes += attributes.allocated_bytes;
        if (!attributes.is_file()) return;
        const auto found = uses_.extract(id);
        const NodeUse use = found.empty() ? NodeUse{} : found.mapped();
        if (!found.empty()) container_of_[id] = attributes.container;
        // An orphan loses its content from the end, and its row at last.
        if (attributes.links == 0) return;
        living_.insert(id);
        if (use.end > attributes.size)
            find(id, "the file has {} bytes, and content up to {}", attributes.size, use.end);
        const std::uint64_t held = (use.held + 511) / 512 * 512;
        if (held == attributes.allocated_bytes) return;
        constexpr const char* kWords = "node {} says it occupies {} bytes, and holds {}{}";
        // What it does not hold and says it does may have been in a part of its map that is lost:
        // this is all that tells then.
        if (held < attributes.allocated_bytes)
            return find(id, kWords, id.value(), attributes.allocated_bytes, held,
                        ": a part of its map may be lost");
        mended_bytes_[attributes.container] += held - attributes.allocated_bytes;
        mend(
            id,
            [id, held](Writer& w) -> Result<void> {
                RF_TRY(auto row, w.node(id));
                if (!row) return Error(Errc::kCorrupt, "a file went while it was repaired");
                row->attributes.allocated_bytes = held;
                return w.update_node(*row);
            },
            kWords, id.value(), attributes.allocated_bytes, held, "");
    }

    /// What a container is said to hold, for its quota, is what its nodes hold.
    Result<void> check_usage() {
        return catalog_.read([&](Reader& r) -> Result<void> {
            RF_TRY(const auto containers, r.containers());
            for (const auto& row : containers) {
                const ContainerId id = row.container;
                RF_TRY(const Usage said, r.usage(id));
                Usage held = usages_[id];
                if (held.objects > 0) --held.objects;  // its top folder
                if (said == held) continue;
                const Usage mended{held.bytes + mended_bytes_[id], held.objects};
                mend(
                    row.root, [id, mended](Writer& w) { return w.set_usage(id, mended); },
                    "container {} says it holds {} bytes and {} objects, and holds {} and {}",
                    id.value(), said.bytes, said.objects, held.bytes, held.objects);
            }
            return done();
        });
    }

    Result<void> read_shares() {
        ExtentId last;
        std::int64_t first = -1;
        return walk<Reader::ExtentRun>(
            catalog_, [&](Reader& r) { return r.shares_after(last, first, kWalkRows); },
            [&](const Reader::ExtentRun& row) -> Result<void> {
                shares_of_[row.extent].push_back(row.run);
                last = row.extent;
                first = row.run.first.value();
                return done();
            });
    }

    Result<void> check_extents() {
        RF_TRY(auto freed, catalog_.all_freed());
        for (auto& row : freed) freed_.emplace(std::pair(row.range.pack, row.range.offset), row);
        return walk_extents(catalog_, [&](const Reader::PackExtent& row) -> Result<void> {
            RF_CHECK(job_.check_cancelled());
            ++result_.extents;
            check_extent(row);
            return done();
        });
    }

    /// An extent: somebody names it; slices are inside it and of its container. Unshared: one node,
    /// one distance, and no counts. Shared: for each block as many as there are slices that touch
    /// it.
    void check_extent(const Reader::PackExtent& found) {
        const PlacedExtent& extent = found.extent;
        const ExtentId id = extent.shape.extent;
        const auto rows = slices_of_.extract(id);
        const auto found_counts = shares_of_.extract(id);
        const auto counted = found_counts.empty() ? std::vector<RefRun>() : found_counts.mapped();
        if (!row_makes_sense(extent)) {
            doubt(extent);
            return find({}, "extent {}: its row contradicts itself", id.value());
        }
        if (extent.location.pack) {
            auto& pack = result_.packs[*extent.location.pack];
            pack.end = std::max(pack.end, extent.location.offset + extent.location.length);
        }
        if (rows.empty()) return check_unnamed(found, counted);
        std::vector<Slice> slices;
        std::optional<Reader::NodeSlice> second;  // of another owner than the first
        const Reader::NodeSlice& first = rows.mapped().front();
        for (const Reader::NodeSlice& row : rows.mapped()) {
            slices.push_back(row.slice);
            if (row.slice.length == 0 || row.slice.start >= extent.shape.plain_bytes ||
                row.slice.length > extent.shape.plain_bytes - row.slice.start) {
                doubt(extent);
                return find(row.node, "bytes {} to {} are not in their extent {}",
                            row.slice.file_offset, row.slice.end() - 1, id.value());
            }
            if (auto owner = container_of_.find(row.node);
                owner != container_of_.end() && owner->second != extent.shape.container)
                find(row.node, "bytes {} to {} are in extent {}, which is of another container",
                     row.slice.file_offset, row.slice.end() - 1, id.value());
            if (!second &&
                (row.node != first.node || row.slice.file_offset - row.slice.start !=
                                               first.slice.file_offset - first.slice.start))
                second = row;
        }
        const auto refs = count_refs(slices, extent.shape.block_shift);
        if (extent.shared && flat(counted) != flat(refs))
            mend(
                first.node, [=](Writer& w) { return w.replace_shares(id, counted, refs); },
                "the blocks of shared extent {} are not counted as its {} slices touch them",
                id.value(), slices.size());
        if (!extent.shared && !counted.empty()) forget_counts(id, counted);
        // Nothing is lost when it is shared in name as well.
        if (!extent.shared && second)
            mend(
                first.node, [=](Writer& w) { return w.share_extent(id, refs); },
                "extent {} is not shared, and stands at {} of node {} as well as at {} of node {}",
                id.value(), second->slice.file_offset, second->node.value(),
                first.slice.file_offset, first.node.value());
        if (extent.location.pack) note_live(extent, refs);
    }

    void doubt(const PlacedExtent& extent) {
        if (extent.location.pack) doubtful_.insert(*extent.location.pack);
    }

    void forget_counts(ExtentId extent, const std::vector<RefRun>& runs) {
        mend(
            {}, [=](Writer& w) { return w.replace_shares(extent, runs, {}); },
            "blocks of extent {}, which is not shared, are counted", extent.value());
    }

    /// An extent that no slice names. Is a file gone whose extent stayed, or a slice lost whose
    /// file is there? Only in a pack, and unshared, does an extent know its file: of the others,
    /// and of those whose file is there, nothing is taken away, since that may be all that is left.
    void check_unnamed(const Reader::PackExtent& found, const std::vector<RefRun>& counted) {
        const PlacedExtent& extent = found.extent;
        const bool knows = extent.location.pack && !extent.shared && found.node != NodeId{};
        if (knows && !living_.contains(found.node)) return take_away(extent, counted);
        doubt(extent);
        const ExtentShape& shape = extent.shape;
        const Slice whole{
            .file_offset = 0, .length = shape.plain_bytes, .extent = shape.extent, .start = 0};
        if (extent.location.pack) note_live(extent, count_refs({&whole, 1}, shape.block_shift));
        if (!knows)
            return find({}, "extent {} is in no file's map, and may be of one",
                        shape.extent.value());
        find(found.node, "its extent {}, of {} bytes at {}, is not in its map any more",
             shape.extent.value(), shape.plain_bytes, found.file_offset);
    }

    void take_away(const PlacedExtent& extent, const std::vector<RefRun>& counted) {
        std::vector<std::uint64_t> freed;  // of it already
        if (extent.location.pack) {
            const std::uint64_t begin = extent.location.offset;
            const auto from = freed_.lower_bound({*extent.location.pack, begin});
            const auto to =
                freed_.lower_bound({*extent.location.pack, begin + extent.location.length});
            for (auto at = from; at != to; ++at) freed.push_back(at->second.row);
            freed_.erase(from, to);
            recounted_.insert(*extent.location.pack);
        }
        mend(
            {},
            [=](Writer& w) -> Result<void> {
                for (const std::uint64_t row : freed) RF_CHECK(w.delete_freed(row));
                RF_CHECK(w.replace_shares(extent.shape.extent, counted, {}));
                RF_CHECK(w.delete_extent(extent.shape.extent));
                if (!extent.location.pack) return done();
                return w.insert_freed(
                    {*extent.location.pack, extent.location.offset, extent.location.length});
            },
            "extent {} belongs to no file", extent.shape.extent.value());
    }

    static std::map<std::uint32_t, std::uint32_t> flat(const std::vector<RefRun>& runs) {
        std::map<std::uint32_t, std::uint32_t> refs;
        for (const RefRun& run : runs)
            for (std::uint32_t block = run.first.value(); block < run.end(); ++block)
                refs[block] += run.refs;
        return refs;
    }

    /// What of its pack a living extent needs.
    void note_live(const PlacedExtent& extent, const std::vector<RefRun>& refs) {
        auto& pack = result_.packs[*extent.location.pack];
        for (const FreedRange& range : held_ranges(extent, refs)) {
            pack.live_bytes += static_cast<std::int64_t>(range.length);
            runs_of_[range.pack].push_back(
                {range.offset, range.offset + range.length, extent.shape.extent, 0});
        }
    }

    /// A pack: as many live bytes as its extents need, and nothing is both needed and freed, or
    /// freed twice.
    Result<void> check_packs() {
        std::vector<catalog::PackRow> packs;
        RF_CHECK(catalog_.read([&](Reader& r) -> Result<void> {
            RF_TRY(packs, r.packs());
            return done();
        }));
        for (const auto& [place, row] : freed_)
            runs_of_[row.range.pack].push_back(
                {row.range.offset, row.range.offset + row.range.length, ExtentId(), row.row});
        for (auto& [pack, runs] : runs_of_) check_runs(pack, runs);
        std::set<PackId> known;
        for (const auto& row : packs) {
            known.insert(row.pack);
            const std::int64_t live = result_.packs[row.pack].live_bytes;
            if (doubtful_.contains(row.pack)) continue;
            // After what else is put right there, since that counts, too.
            Repair repair = [pack = row.pack, live](Writer& w) {
                return w.set_live_bytes(pack, live);
            };
            if (live == row.live_bytes) {
                if (recounted_.contains(row.pack)) repairs_.push_back(std::move(repair));
                continue;
            }
            // Which packs extents were in whose rows are lost nobody knows: one that is said to be
            // empty goes.
            constexpr const char* kWords = "pack {} says {} of its bytes are in use, and {} are";
            if (!slices_of_.empty() && live < row.live_bytes)
                find({}, kWords, row.pack.hex(), row.live_bytes, live);
            else
                mend({}, std::move(repair), kWords, row.pack.hex(), row.live_bytes, live);
        }
        for (const auto& [pack, use] : result_.packs)
            if (!known.contains(pack)) find({}, "pack {} is in use and has no row", pack.hex());
        return done();
    }

    void check_runs(const PackId& pack, std::vector<Run>& runs) {
        std::sort(runs.begin(), runs.end(),
                  [](const Run& a, const Run& b) { return a.from < b.from; });
        std::set<std::uint64_t> dropped;
        const Run* before = nullptr;
        for (const Run& run : runs) {
            if (before != nullptr && run.from < before->to) {
                const Run& freed = run.extent == ExtentId() ? run : *before;
                if (freed.extent != ExtentId())
                    find({}, "pack {}: bytes from {} are of extent {} and of extent {}", pack.hex(),
                         run.from, before->extent.value(), run.extent.value());
                else if (dropped.insert(freed.row).second)
                    keep_room(pack, freed, run.extent == ExtentId() ? *before : run);
            }
            if (before == nullptr || run.to > before->to) before = &run;
        }
    }

    void keep_room(const PackId& pack, const Run& freed, const Run& other) {
        mend(
            {}, [row = freed.row](Writer& w) { return w.delete_freed(row); },
            "bytes {} to {} of pack {} are to be given back, and {} there", freed.from,
            freed.to - 1, pack.hex(),
            other.extent == ExtentId() ? std::string("others that are to be, are")
                                       : fmt::format("extent {} is", other.extent.value()));
    }

    Catalog& catalog_;
    Job& job_;
    std::unordered_map<NodeId, NodeUse> uses_;  // of nodes not looked at yet
    std::unordered_map<NodeId, ContainerId> container_of_;
    std::unordered_set<NodeId> living_;    // files with links, and what has a map and no row
    std::map<ContainerId, Usage> usages_;  // objects: with the top folder
    std::map<ContainerId, std::uint64_t> mended_bytes_;  // by repairs of nodes; may wrap
    std::unordered_map<ExtentId, std::vector<Reader::NodeSlice>> slices_of_;  // not looked at yet
    std::unordered_map<ExtentId, std::vector<RefRun>> shares_of_;
    std::multimap<std::pair<PackId, std::uint64_t>, catalog::FreedRow> freed_;  // by where
    std::set<PackId> recounted_;  // a repair changes what their rows say
    std::set<PackId> doubtful_;   // packs whose bytes cannot be added up
    std::unordered_map<PackId, std::vector<Run>> runs_of_;
    std::vector<Repair> repairs_;
    ContentAudit result_;
};

}  // namespace

Result<ContentAudit> audit_content(catalog::Catalog& catalog, AuditMode mode, Job& job) {
    return Audit(catalog, job).run(mode);
}

Result<ContentAudit> audit_content(catalog::Catalog& catalog, AuditMode mode) {
    Job job;
    return audit_content(catalog, mode, job);
}

}  // namespace reelfs::core
