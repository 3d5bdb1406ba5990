#include "crash/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/content/extent_codec.h"

namespace reelfs::test {

namespace {

using catalog::Reader;

/// Declared sharing, as soon as the model has it: then any slice may name any byte.
template <class Placed>
bool is_shared(const Placed& placed) {
    if constexpr (requires { placed.shared; })
        return placed.shared;
    else
        return false;
}

struct Owner {
    NodeId node;
    Slice slice;
};
struct Extent {
    PlacedExtent placed;
    std::vector<Owner> owners;
};

class Walker {
  public:
    explicit Walker(SimDisk& disk) : disk_(disk) {}

    Result<Walk> run(catalog::Catalog& catalog) {
        RF_CHECK(catalog.read([&](Reader& r) -> Result<void> {
            RF_TRY(auto root, r.node(kRootNode));
            if (!root) return Error(Errc::kCorrupt, "there is no root");
            nodes_[kRootNode] = *root;
            RF_CHECK(folder(r, *root));
            RF_CHECK(files(r));
            RF_CHECK(queue(r));
            RF_CHECK(packs(r));
            return counted(r);
        }));
        return std::move(walk_);
    }

  private:
    template <class... Args>
    void problem(fmt::format_string<Args...> format, Args&&... args) {
        walk_.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
    }
    template <class... Args>
    void row(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(walk_.rows), format, std::forward<Args>(args)...);
        walk_.rows.push_back('\n');
    }

    Result<void> folder(Reader& r, const catalog::NodeRow& at) {
        const NodeId id = at.attributes.node;
        std::string after;
        std::uint32_t folders = 0;
        while (true) {
            RF_TRY(auto entries, r.entries_with_nodes_after(id, after, 200));
            for (const auto& entry : entries) {
                after = entry.name;
                const Attributes& a = entry.node.attributes;
                row("entry {} {} -> {}", id.value(), entry.name, a.node.value());
                ++names_[a.node];
                if (a.expires) transient_[a.node] = {id, entry.name};
                const bool is_new = nodes_.emplace(a.node, entry.node).second;
                if (!a.is_directory()) continue;
                ++folders;
                if (!is_new) problem("folder {} has two names", a.node.value());
                if (entry.node.parent != id) problem("folder {} has another parent", entry.name);
                RF_CHECK(folder(r, entry.node));
            }
            if (entries.size() < 200) break;
        }
        if (at.attributes.links != folders + 2)
            problem("folder {} has {} links and {} folders in it", id.value(), at.attributes.links,
                    folders);
        return done();
    }

    Result<void> files(Reader& r) {
        RF_TRY(auto orphans, r.orphans(NodeId(), 200));
        for (NodeId orphan : orphans) problem("node {} has no name", orphan.value());
        for (const auto& [id, node] : nodes_) {
            const Attributes& a = node.attributes;
            row("node {} {} {:o} links {} size {} held {} times {} {} expires {} etag {}",
                id.value(), static_cast<int>(a.type), a.mode, a.links, a.size, a.allocated_bytes,
                a.modified.ns, a.changed.ns, a.expires ? a.expires->ns : 0, node.etag.hex());
            RF_TRY(auto xattrs, r.xattr_names(id));
            for (const auto& name : xattrs) row("xattr {} {}", id.value(), name);
            if (!a.is_directory() && a.links != names_[id])
                problem("node {} has {} links and {} names", id.value(), a.links, names_[id]);
            if (a.is_file()) RF_CHECK(slices(r, node));
        }
        return done();
    }

    /// What expires stands in the queue, by its instant and its name, and nothing else does.
    Result<void> queue(Reader& r) {
        RF_TRY(auto queued, r.expiries_due(Timestamp{INT64_MAX}, 200));
        for (const auto& one : queued) {
            row("expiry {} due {} since {} transient {} as {}/{}", one.node.value(), one.due.ns,
                one.since.ns, one.transient, one.parent.value(), one.name);
            const auto place = transient_.find(one.node);
            if (place == transient_.end() || place->second != std::pair(one.parent, one.name))
                problem("node {}, queued as {}/{}, is not there", one.node.value(),
                        one.parent.value(), one.name);
            else if (!one.transient || nodes_[one.node].attributes.expires != one.due)
                problem("node {} is queued for another instant than its own", one.node.value());
        }
        if (queued.size() != transient_.size())
            problem("{} files expire, {} are in the queue", transient_.size(), queued.size());
        return done();
    }

    Result<void> slices(Reader& r, const catalog::NodeRow& node) {
        const Attributes& a = node.attributes;
        std::uint64_t from = 0, held = 0;
        while (true) {
            RF_TRY(auto rows, r.slices(a.node, from, 200));
            for (const auto& [slice, placed] : rows) {
                row("slice {} {}+{} of {} at {}", a.node.value(), slice.file_offset, slice.length,
                    slice.extent.value(), slice.start);
                if (slice.file_offset < from)
                    problem("slices of node {} overlap at {}", a.node.value(), from);
                from = slice.end();
                held += slice.length;
                if (slice.start + slice.length > placed.shape.plain_bytes)
                    problem("a slice reaches beyond extent {}", slice.extent.value());
                Extent& extent = extents_[slice.extent];
                extent.placed = placed;
                extent.owners.push_back({a.node, slice});
            }
            if (rows.size() < 200) break;
        }
        if (from > a.size)
            problem("node {} of {} bytes has slices up to {}", a.node.value(), a.size, from);
        if (a.allocated_bytes != (held + 511) / 512 * 512)
            problem("node {} holds {} bytes, its row says {}", a.node.value(), held,
                    a.allocated_bytes);
        return done();
    }

    /// Blocks that a slice holds; bytes held twice are a problem.
    std::set<std::uint32_t> live_blocks(const Extent& extent) {
        std::set<std::uint32_t> live;
        std::map<std::uint64_t, std::uint64_t> bytes;  // start -> end in the plaintext
        for (const auto& [node, slice] : extent.owners) {
            if (!is_shared(extent.placed) && node != extent.owners.front().node)
                problem("extent {} is owned by nodes {} and {}", slice.extent.value(), node.value(),
                        extent.owners.front().node.value());
            if (!is_shared(extent.placed) &&
                !bytes.emplace(slice.start, slice.start + slice.length).second)
                problem("extent {} has bytes with two owners", slice.extent.value());
            for (std::uint64_t block = slice.start >> extent.placed.shape.block_shift;
                 block <= (slice.start + slice.length - 1) >> extent.placed.shape.block_shift;
                 ++block)
                live.insert(static_cast<std::uint32_t>(block));
        }
        std::uint64_t end = 0;
        for (const auto& [first, last] : bytes) {
            if (first < end && !is_shared(extent.placed))
                problem("extent {} has bytes with two owners", extent.placed.shape.extent.value());
            end = last;
        }
        return live;
    }

    struct Range {
        std::uint64_t begin, end;
        std::string what;
        bool operator<(const Range& other) const { return begin < other.begin; }
    };

    /// The parts of the pack that an extent still needs; returns how many bytes.
    std::uint64_t take(const Extent& extent, std::vector<Range>& taken) {
        const content::ExtentLayout layout(extent.placed.shape);
        const Location& at = extent.placed.location;
        const std::string what = fmt::format("extent {}", extent.placed.shape.extent.value());
        taken.push_back({at.offset, at.offset + layout.body_offset(), what});
        std::uint64_t live = layout.body_offset();
        for (const std::uint32_t block : live_blocks(extent)) {
            const std::uint64_t from = layout.sealed_start(BlockIndex(block));
            const std::uint64_t to = block + 1 == layout.block_count()
                                         ? at.length
                                         : from + layout.sealed_length(BlockIndex(block));
            taken.push_back({at.offset + from, at.offset + to, what});
            live += to - from;
        }
        return live;
    }

    Result<void> packs(Reader& r) {
        std::map<PackId, std::vector<Range>> taken;
        std::map<PackId, std::uint64_t> live;
        for (const auto& [id, extent] : extents_) {
            const Location& at = extent.placed.location;
            row("extent {} {} at {}+{}", id.value(), at.pack ? at.pack->hex() : "inline", at.offset,
                at.length);
            if (at.pack)
                live[*at.pack] += take(extent, taken[*at.pack]);
            else
                (void)live_blocks(extent);
        }
        RF_TRY(auto freed, r.freed(10'000));
        for (const auto& f : freed) {
            row("freed {} {}+{}", f.range.pack.hex(), f.range.offset, f.range.length);
            taken[f.range.pack].push_back(
                {f.range.offset, f.range.offset + f.range.length, "a freed range"});
        }
        std::map<PackId, std::uint64_t> lengths;
        RF_CHECK(pack_files(lengths));
        RF_TRY(auto rows, r.packs());
        packs_ = rows.size();
        std::set<PackId> known;
        for (const auto& pack : rows) {
            known.insert(pack.pack);
            row("pack {} state {} durable {} live {}", pack.pack.hex(),
                static_cast<int>(pack.state), pack.durable_end, pack.live_bytes);
            if (pack.live_bytes != static_cast<std::int64_t>(live[pack.pack]))
                problem("pack {} has {} live bytes, its row says {}", pack.pack.hex(),
                        live[pack.pack], pack.live_bytes);
            auto& ranges = taken[pack.pack];
            std::sort(ranges.begin(), ranges.end());
            for (std::size_t i = 1; i < ranges.size(); ++i)
                if (ranges[i].begin < ranges[i - 1].end)
                    problem("pack {}: {} and {} overlap at {}", pack.pack.hex(), ranges[i - 1].what,
                            ranges[i].what, ranges[i].begin);
            if (live[pack.pack] > 0 && !lengths.contains(pack.pack))
                problem("pack {} is missing", pack.pack.hex());
        }
        for (const auto& [pack, bytes] : live)
            if (!known.contains(pack)) problem("extents are in pack {} without a row", pack.hex());
        for (const auto& [pack, bytes] : lengths)
            if (!known.contains(pack)) problem("pack {} has a file and no row", pack.hex());
        return done();
    }

    Result<void> pack_files(std::map<PackId, std::uint64_t>& lengths) {
        const std::string packs = "/data/store/packs";
        RF_TRY(auto buckets, disk_.list(packs));
        std::sort(buckets.begin(), buckets.end());
        for (const auto& bucket : buckets) {
            RF_TRY(auto names, disk_.list(packs + "/" + bucket));
            std::sort(names.begin(), names.end());
            for (const auto& name : names) {
                RF_TRY(auto file, disk_.open(packs + "/" + bucket + "/" + name, OpenMode::kRead));
                RF_TRY(std::uint64_t size, file->size());
                row("file {} of {}", name, size);
                PackId pack;
                for (std::size_t i = 0; i < pack.bytes.size(); ++i)
                    pack.bytes[i] =
                        static_cast<std::byte>(std::stoul(name.substr(2 * i, 2), nullptr, 16));
                lengths[pack] = size;
            }
        }
        return done();
    }

    Result<void> counted(Reader& r) {
        RF_TRY(auto counts, r.counts());
        if (counts.nodes != nodes_.size())
            problem("{} nodes are in the tree, {} in the catalog", nodes_.size(), counts.nodes);
        if (counts.extents != extents_.size())
            problem("{} extents have a slice, {} are in the catalog", extents_.size(),
                    counts.extents);
        if (counts.packs != packs_)
            problem("{} packs of {} are in the catalog", packs_, counts.packs);
        return done();
    }

    SimDisk& disk_;
    Walk walk_;
    std::map<NodeId, catalog::NodeRow> nodes_;
    std::map<NodeId, std::uint32_t> names_;
    std::map<NodeId, std::pair<NodeId, std::string>> transient_;  // and where it is
    std::map<ExtentId, Extent> extents_;
    std::uint64_t packs_ = 0;
};

}  // namespace

Walk walk_store(SimDisk& disk, SeededRandom& random) {
    auto walked = [&]() -> Result<Walk> {
        RF_TRY(auto keyring, core::load_keyring(disk, "/data/store/keyring", test_key()));
        RF_TRY(auto opened, catalog::open_catalog(disk, random, keyring.page_key(),
                                                  {"/data/store/catalog", 2u << 20}));
        return Walker(disk).run(*opened.catalog);
    }();
    if (walked) return *std::move(walked);
    Walk failed;
    failed.problems.push_back("the walk failed: " + walked.error().message());
    return failed;
}

}  // namespace reelfs::test
