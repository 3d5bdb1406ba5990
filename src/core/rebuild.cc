#include "reelfs/core/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "core/endpoint_id.h"
#include "core/keys.h"
#include "core/verify.h"
#include "reelfs/base/overlay_disk.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"
#include "reelfs/store/pack_store.h"

namespace reelfs::core {

namespace {

constexpr std::size_t kRowsPerTransaction = 1'000;

/// One extent as its header and its blocks tell.
struct Found {
    PlacedExtent extent;
    content::ExtentOrigin origin;
    std::vector<BlockRun> blocks;  // runs of those that are the file's, as far as can be known
    std::vector<BlockRun> bad;     // and do not open: reading them is to be an error
};

void add_to(std::vector<BlockRun>& runs, std::uint32_t block) {
    if (!runs.empty() && runs.back().first + runs.back().count == block)
        ++runs.back().count;
    else
        runs.push_back({block, 1});
}

/// Is a block of what was freed given back to the disk, at least in part? Whole pages of the pack
/// are, and sealed bytes are never a page of zeros.
bool given_back(Bytes sealed, std::uint64_t from, std::uint64_t to) {
    constexpr std::uint64_t kPage = limits::pack_alignment;  // an extent starts on one
    for (std::uint64_t page = from / kPage * kPage; page < to; page += kPage) {
        const Bytes bytes =
            sealed.subspan(page, std::min<std::uint64_t>(kPage, sealed.size() - page));
        if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{}; }))
            return true;
    }
    return false;
}

/// Lays slices over each other; what came later hides what came before.
class Layers {
  public:
    void lay(const Slice& slice) {
        cut(slice.file_offset, slice.end());
        slices_[slice.file_offset] = slice;
    }
    const std::map<std::uint64_t, Slice>& slices() const { return slices_; }
    std::uint64_t size() const { return slices_.empty() ? 0 : slices_.rbegin()->second.end(); }

  private:
    void cut(std::uint64_t from, std::uint64_t to) {
        auto at = slices_.lower_bound(from);
        if (at != slices_.begin() && std::prev(at)->second.end() > from) --at;
        while (at != slices_.end() && at->second.file_offset < to) {
            const Slice old = at->second;
            at = slices_.erase(at);
            if (old.file_offset < from) {
                Slice left = old;
                left.length = from - old.file_offset;
                slices_[left.file_offset] = left;
            }
            if (old.end() > to) {
                Slice right = old;
                right.file_offset = to;
                right.start += to - old.file_offset;
                right.length = old.end() - to;
                at = std::next(slices_.emplace(to, right).first);
            }
        }
    }
    std::map<std::uint64_t, Slice> slices_;
};

class Rebuild {
  public:
    Rebuild(const Environment& environment, const CheckOptions& options, Job& job)
        : environment_(environment),
          disk_(environment.disk),
          options_(options),
          job_(job),
          directory_(options.directory + "/catalog"),
          fresh_(options.directory + "/catalog.rebuild") {}

    Result<RebuildReport> run() {
        RF_TRY(auto keyring, load_keyring(disk_, options_.directory + "/keyring", options_.unlock));
        keyring_ = std::move(keyring);
        RF_CHECK(check_that_it_is_lost());
        std::vector<store::ZoneDirectory> zones;
        for (const crypto::Zone& zone : keyring_->zones())
            zones.push_back({zone.id, zone.path.empty() ? options_.directory : zone.path});
        RF_TRY(store_, store::open_pack_store(disk_, environment_.random, std::move(zones)));
        RF_TRY(packs_, store_->list());
        // Of a pack in two zones the one is taken that is read afterwards: the first.
        std::set<PackId> seen;
        std::erase_if(packs_, [&](const auto& pack) { return !seen.insert(pack.pack).second; });
        RF_CHECK(scan());
        RF_CHECK(write());
        RF_CHECK(put_in_place());
        return report_;
    }

  private:
    Result<void> check_that_it_is_lost() {
        RF_TRY(const bool there, disk_.exists(directory_ + "/catalog.db"));
        if (!there) return done();
        OverlayDisk overlay(disk_);
        auto opened = catalog::open_catalog(overlay, environment_.random, keyring_->page_key(),
                                            {directory_, limits::catalog_cache_bytes_default});
        if (!opened) return lost_or(opened.error());
        catalog::Catalog& catalog = *opened->catalog;
        const auto go_on = [this] { return job_.check_cancelled(); };
        auto damaged = catalog.damaged_pages(go_on);
        if (!damaged) return lost_or(damaged.error());
        if (!damaged->empty()) return done();
        // Undamaged pages can be from different times.
        auto findings = catalog.audit(catalog::AuditMode::kReport, environment_.clock.now(), go_on);
        if (!findings) return lost_or(findings.error());
        if (std::any_of(findings->begin(), findings->end(),
                        [](const auto& finding) { return finding.of_trees; }))
            return done();
        bool empty = false;
        RF_CHECK(catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(const auto root, r.node(kRootNode));
            empty = !root;
            return done();
        }));
        if (empty) return done();
        return Error(Errc::kExists,
                     "the catalog is there and its pages are good: there is "
                     "nothing to rebuild; see reelfs fsck --repair");
    }
    /// Success for what damage or a bad sector does to a catalog.
    static Result<void> lost_or(const Error& error) {
        if (error.code() == Errc::kCorrupt || error.code() == Errc::kIo) return done();
        return error;
    }

    Result<void> scan() {
        std::uint64_t total = 0;
        for (const auto& pack : packs_) total += pack.bytes;
        job_.begin("reading packs", total);
        for (const auto& pack : packs_) {
            for (std::uint64_t at = 0; at + content::kHeaderBytes <= pack.bytes;) {
                RF_TRY(const std::uint64_t next, look_at(pack, at));
                RF_CHECK(job_.advance(std::min(next, pack.bytes) - at));
                at = next;
            }
        }
        return done();
    }

    /// Where to look next.
    Result<std::uint64_t> look_at(const store::PackInfo& pack, std::uint64_t at) {
        const std::uint64_t next = at + limits::pack_alignment;
        std::array<std::byte, content::kHeaderBytes> head;
        RF_TRY(const std::string unread,
               read_around(*store_, {pack.pack, at, content::kHeaderBytes}, head));
        if (!unread.empty()) {
            ++report_.unreadable;
            return next;
        }
        const auto header = content::decode_header(head);
        if (!header) return next;
        const crypto::SecretKey* key =
            keyring_->container_key(header->shape.container, header->shape.key);
        if (key == nullptr) {
            ++report_.unreadable;
            return next;
        }
        const auto origin = content::open_origin(*key, head);
        if (!origin) {
            ++report_.unreadable;
            return next;
        }
        Found found{.extent = {header->shape, {pack.pack, at, 0}},
                    .origin = origin->first,
                    .blocks = {},
                    .bad = {}};
        ExtentShape& shape = found.extent.shape;
        shape.plain_bytes = origin->second;
        const content::ExtentLayout layout(shape);
        found.extent.location.length = (layout.total_length() + limits::pack_alignment - 1) /
                                       limits::pack_alignment * limits::pack_alignment;
        RF_CHECK(open_blocks(*key, layout, pack.bytes, found));
        if (found.blocks.empty())
            ++report_.unreadable;
        else
            files_[{shape.container, found.origin.node}].push_back(std::move(found));
        return at + found.extent.location.length;
    }

    Result<void> open_blocks(const crypto::SecretKey& key, const content::ExtentLayout& layout,
                             std::uint64_t pack_bytes, Found& found) {
        const std::uint64_t at = found.extent.location.offset;
        Buffer sealed(layout.total_length());
        std::fill_n(sealed.data(), sealed.size(), std::byte{});
        const auto there =
            static_cast<std::size_t>(std::min<std::uint64_t>(sealed.size(), pack_bytes - at));
        RF_TRY([[maybe_unused]] const std::string unread,
               read_around(*store_, {found.extent.location.pack, at, there},
                           sealed.span().first(there)));
        content::ExtentOpener opener(key, found.extent.shape);
        Buffer scratch(layout.block_bytes());
        for (std::uint32_t i = 0; i < layout.block_count(); ++i) {
            const BlockIndex block(i);
            const std::uint32_t length = layout.sealed_length(block);
            const bool opens =
                opener
                    .open_block(block,
                                sealed.span().subspan(layout.tags_offset() + i * crypto::kTagBytes,
                                                      crypto::kTagBytes),
                                sealed.span().subspan(layout.sealed_start(block), length),
                                scratch.span().first(length))
                    .ok();
            const std::uint64_t from = layout.sealed_start(block);
            // What lies beyond the pack's end was cut off, not given back.
            if (!opens && from + length <= there && given_back(sealed.span(), from, from + length))
                continue;
            add_to(found.blocks, i);
            if (!opens) add_to(found.bad, i);
        }
        return done();
    }

    // The new catalog

    catalog::NodeRow node_row(NodeId id, ContainerId container, NodeType type) const {
        catalog::NodeRow row;
        Attributes& a = row.attributes;
        a.node = id;
        a.container = container;
        a.type = type;
        a.mode = type == NodeType::kDirectory ? 0755 : 0600;
        a.links = type == NodeType::kDirectory ? 2 : 1;
        a.uid = options_.owner_uid;
        a.gid = options_.owner_gid;
        a.accessed = a.modified = a.changed = a.created = environment_.clock.now();
        return row;
    }

    Result<void> write() {
        job_.begin("writing the new catalog", 0);
        RF_CHECK(remove_fresh());
        RF_TRY(auto opened, catalog::open_catalog(disk_, environment_.random, keyring_->page_key(),
                                                  {fresh_, limits::catalog_cache_bytes_default}));
        catalog_ = std::move(opened.catalog);
        for (const auto& [file, found] : files_) {
            next_node_ = std::max(next_node_, file.second.value() + 1);
            for (const Found& one : found) {
                next_extent_ = std::max(next_extent_, one.extent.shape.extent.value() + 1);
                shifts_[file.first] = one.extent.shape.block_shift;
            }
        }
        RF_CHECK(write_containers());
        for (auto& [file, found] : files_) {
            RF_CHECK(job_.check_cancelled());
            RF_CHECK(write_file(file.first, file.second, found));
        }
        RF_CHECK(catalog_->write([&](catalog::Writer& w) -> Result<void> {
            for (const auto& [pack, bytes] : live_) RF_CHECK(w.set_live_bytes(pack, bytes));
            return done();
        }));
        // Ids of what only the old catalog knew are not known, so a wide berth is given.
        const auto skip = [&](catalog::Lease kind, std::uint64_t used) -> Result<void> {
            RF_CHECK(catalog_->lease(kind, used + limits::ids_skipped_by_restore));
            return done();
        };
        RF_CHECK(skip(catalog::Lease::kNodeIds, next_node_));
        RF_CHECK(skip(catalog::Lease::kExtentIds, next_extent_));
        RF_CHECK(skip(catalog::Lease::kContainerIds, last_container_));
        return catalog_->close();
    }

    Result<void> write_containers() {
        const auto ids = keyring_->containers();
        report_.containers = ids.size();
        return catalog_->write([&](catalog::Writer& w) -> Result<void> {
            catalog::NodeRow root = node_row(kRootNode, kNoContainer, NodeType::kDirectory);
            root.parent = kRootNode;
            root.attributes.links = static_cast<std::uint32_t>(2 + ids.size());
            RF_CHECK(w.insert_node(root));
            RF_CHECK(
                w.set_setting("default_block_shift", std::to_string(limits::block_shift_default)));
            for (const ContainerId id : ids) {
                const NodeId top(next_node_++);
                const std::string name = fmt::format("recovered-{}", id.value());
                catalog::NodeRow row = node_row(top, id, NodeType::kDirectory);
                row.parent = kRootNode;
                RF_CHECK(w.insert_node(row));
                RF_CHECK(w.insert_entry(kRootNode, {name, top, NodeType::kDirectory}));
                const auto shift = shifts_.find(id);
                RF_CHECK(w.insert_container(
                    {.container = id,
                     .root = top,
                     .block_shift = shift == shifts_.end()
                                        ? static_cast<std::uint8_t>(limits::block_shift_default)
                                        : shift->second,
                     .created = environment_.clock.now(),
                     .endpoint_id = make_endpoint_id(environment_.random),
                     .profile = "",
                     .quota = {}}));
                tops_[id] = top;
                last_container_ = std::max(last_container_, id.value());
            }
            for (const auto& pack : packs_) {
                const auto owner = owner_of(pack.pack);
                if (!owner) continue;  // holds nothing that could be read: set aside at the start
                RF_CHECK(w.insert_pack({.pack = pack.pack,
                                        .container = *owner,
                                        .state = catalog::PackState::kClosed,
                                        .durable_end = pack.bytes,
                                        .live_bytes = 0}));
                live_[pack.pack] = 0;
            }
            return done();
        });
    }

    std::optional<ContainerId> owner_of(const PackId& pack) {
        if (owners_.empty())
            for (const auto& [file, found] : files_)
                for (const Found& one : found) owners_[*one.extent.location.pack] = file.first;
        const auto owner = owners_.find(pack);
        if (owner == owners_.end()) return std::nullopt;
        return owner->second;
    }

    Result<void> write_file(ContainerId container, NodeId id, std::vector<Found>& found) {
        // Ids rise with time: what has a higher one was written later.
        std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
            return a.extent.shape.extent < b.extent.shape.extent;
        });
        Layers layers;
        std::map<ExtentId, const Found*> by_id;
        for (const Found& one : found) {
            const ExtentShape& shape = one.extent.shape;
            by_id[shape.extent] = &one;
            for (const BlockRun& run : one.blocks) {
                const std::uint64_t from = std::uint64_t{run.first} << shape.block_shift;
                const std::uint64_t to = std::min<std::uint64_t>(
                    std::uint64_t{run.first + run.count} << shape.block_shift, shape.plain_bytes);
                layers.lay({one.origin.file_offset + from, to - from, shape.extent, from});
            }
        }
        std::map<ExtentId, std::vector<Slice>> uses;
        std::uint64_t held = 0;
        for (const auto& [offset, slice] : layers.slices()) {
            uses[slice.extent].push_back(slice);
            held += slice.length;
        }
        for (const auto& [extent, slices] : uses)
            for (const Slice& lost :
                 held_part(by_id.at(extent)->extent, by_id.at(extent)->bad, slices))
                report_.damaged_bytes += lost.length;
        ++report_.files;
        report_.bytes += held;
        RF_CHECK(catalog_->write([&](catalog::Writer& w) -> Result<void> {
            catalog::NodeRow row = node_row(id, container, NodeType::kFile);
            row.attributes.size = layers.size();
            row.attributes.allocated_bytes = (held + 511) / 512 * 512;
            environment_.random.fill(row.etag.bytes);
            RF_CHECK(w.insert_node(row));
            return w.insert_entry(tops_.at(container),
                                  {fmt::format("node-{}", id.value()), id, NodeType::kFile});
        }));
        for (auto at = uses.begin(); at != uses.end();) {
            RF_CHECK(catalog_->write([&](catalog::Writer& w) -> Result<void> {
                for (std::size_t n = 0; n < kRowsPerTransaction && at != uses.end(); ++at) {
                    const PlacedExtent& extent = by_id.at(at->first)->extent;
                    RF_CHECK(w.insert_extent(extent, std::nullopt));
                    for (const Slice& slice : at->second) {
                        RF_CHECK(w.insert_slice(id, slice));
                        ++n;
                    }
                    for (const FreedRange& range :
                         held_ranges(extent, count_refs(at->second, extent.shape.block_shift)))
                        live_[*extent.location.pack] += static_cast<std::int64_t>(range.length);
                    ++report_.extents;
                }
                return done();
            }));
        }
        return done();
    }

    Result<void> remove_fresh() {
        RF_TRY(const bool there, disk_.exists(fresh_));
        if (!there) return done();
        RF_TRY(const auto names, disk_.list(fresh_));
        for (const std::string& name : names) RF_CHECK(disk_.remove(fresh_ + "/" + name));
        return done();
    }

    /// The old files keep their bytes, under other names; the new one, closed and whole, takes
    /// their place by one rename.
    Result<void> put_in_place() {
        RF_CHECK(disk_.make_directory(directory_));
        RF_TRY(const auto names, disk_.list(directory_));
        int number = 1;
        const auto taken = [&](int n) {
            return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                return name.ends_with(fmt::format(".lost-{}", n));
            });
        };
        while (taken(number)) ++number;
        // The database first: without its log it might be opened, as of an earlier time.
        for (const char* name : {"catalog.db", "catalog.db-wal"}) {
            const std::string path = directory_ + "/" + name;
            RF_TRY(const bool there, disk_.exists(path));
            if (!there) continue;
            const std::string aside = fmt::format("{}.lost-{}", path, number);
            RF_CHECK(disk_.rename(path, aside));
            if (report_.set_aside.empty()) report_.set_aside = aside;
        }
        RF_CHECK(disk_.sync_directory(directory_));
        RF_CHECK(disk_.rename(fresh_ + "/catalog.db", directory_ + "/catalog.db"));
        RF_CHECK(disk_.sync_directory(directory_));
        RF_CHECK(remove_fresh());
        RF_CHECK(disk_.remove_directory(fresh_));
        return disk_.sync_directory(options_.directory);
    }

    const Environment environment_;
    Disk& disk_;
    const CheckOptions& options_;
    Job& job_;
    const std::string directory_;
    const std::string fresh_;
    RebuildReport report_;
    std::optional<crypto::Keyring> keyring_;
    std::unique_ptr<store::ExtentStore> store_;
    std::unique_ptr<catalog::Catalog> catalog_;
    std::vector<store::PackInfo> packs_;
    std::map<std::pair<ContainerId, NodeId>, std::vector<Found>> files_;
    std::map<PackId, ContainerId> owners_;
    std::map<ContainerId, NodeId> tops_;
    std::map<ContainerId, std::uint8_t> shifts_;
    std::map<PackId, std::int64_t> live_;
    std::uint64_t next_node_ = 2;
    std::uint64_t next_extent_ = 1;
    std::uint64_t last_container_ = 0;
};

}  // namespace

Result<RebuildReport> rebuild_catalog(const Environment& environment, const CheckOptions& options,
                                      Job& job) {
    return Rebuild(environment, options, job).run();
}

}  // namespace reelfs::core
