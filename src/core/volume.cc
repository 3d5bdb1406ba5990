#include "reelfs/core/volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>

#include "core/accounts.h"
#include "core/backup.h"
#include "core/expirer.h"
#include "core/maintenance.h"
#include "core/recovery.h"
#include "core/rotate.h"
#include "core/scrub.h"
#include "reelfs/base/log.h"
#include "reelfs/core/audit.h"
#include "reelfs/model/limits.h"
#include "reelfs/store/pack_store.h"

namespace reelfs::core {

namespace {

std::string keyring_path(const std::string& directory) {
    return directory + "/keyring";
}

std::string zone_directory(const crypto::Zone& zone, const std::string& store) {
    return zone.path.empty() ? store : zone.path;
}

/// The shares of the memory bound.
struct MemoryShares {
    explicit MemoryShares(std::size_t bytes)
        : dirty(bytes / 4), blocks(bytes / 16 * 5), catalog(bytes / 16) {}
    std::size_t dirty, blocks, catalog;
};

class CatalogInlines final : public content::InlineSource {
  public:
    explicit CatalogInlines(catalog::Catalog& catalog) : catalog_(catalog) {}
    Result<std::vector<std::byte>> inline_bytes(ExtentId extent) override {
        std::vector<std::byte> bytes;
        RF_CHECK(catalog_.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(bytes, r.inline_bytes(extent));
            return done();
        }));
        return bytes;
    }

  private:
    catalog::Catalog& catalog_;
};

class VolumeImpl final : public Volume {
  public:
    VolumeImpl(const Environment& environment, const OpenOptions& options,
               std::unique_ptr<Keys> keys, std::unique_ptr<store::ExtentStore> store,
               std::unique_ptr<catalog::Catalog> catalog, std::vector<std::string> report)
        : disk_(environment.disk),
          directory_(options.directory),
          zones_(keys->zones()),
          keys_(std::move(keys)),
          store_(std::move(store)),
          catalog_(std::move(catalog)),
          report_(std::move(report)),
          shares_(options.memory_bytes),
          inlines_(*catalog_),
          cache_(shares_.blocks),
          reader_(*store_, inlines_, *keys_, cache_),
          budget_(shares_.dirty),
          space_(environment.disk, environment.clock, *store_, budget_, options.directory),
          quotas_(*catalog_),
          packs_(*store_, *catalog_),
          nodes_(limits::node_cache_entries_max, limits::node_cache_slices_max),
          node_ids_(*catalog_, catalog::Lease::kNodeIds),
          extent_ids_(*catalog_, catalog::Lease::kExtentIds),
          container_ids_(*catalog_, catalog::Lease::kContainerIds),
          context_{environment.clock,
                   environment.random,
                   *catalog_,
                   *store_,
                   *keys_,
                   packs_,
                   holds_,
                   nodes_,
                   containers_,
                   documents_,
                   reader_,
                   cache_,
                   budget_,
                   space_,
                   quotas_,
                   node_ids_,
                   extent_ids_,
                   container_ids_,
                   options.read_only},
          files_(context_),
          tree_(context_, files_),
          accounts_(context_, keys_->access_key()),
          maintenance_(context_, files_, tree_),
          expirer_(context_, tree_) {
        context_.bound_log = [this] { maintenance_.bound_log(); };
    }

    ~VolumeImpl() override {
        expirer_.stop();
        maintenance_.stop();
    }

    Result<void> start(bool clean, std::int64_t barrier_ms) {
        RF_TRY(const std::vector<ContainerId> known, load_containers());
        if (!clean) {
            RF_TRY(auto lines, recover(context_));
            report_.insert(report_.end(), lines.begin(), lines.end());
        }
        for (const std::string& line : report_) log::warning("{}", line);
        RF_TRY(auto orphans, adopt_leftovers(context_));
        for (NodeId orphan : orphans) RF_CHECK(tree_.reap(orphan));
        RF_CHECK(keys_->keep_only(known));
        RF_CHECK(documents_.load(*catalog_));
        RF_CHECK(accounts_.load());
        space_.refill_reserve();
        damaged_at_open_ = reader_.damaged();  // recovery has cut that off
        maintenance_.start(barrier_ms);
        // Without the thread what has expired is invisible all the same.
        RF_CHECK(expirer_.load());
        if (barrier_ms > 0) expirer_.start();
        return done();
    }

    Result<std::vector<ContainerId>> load_containers() {
        std::map<NodeId, std::string> names;
        std::string after;
        for (bool more = true; more;) {
            RF_CHECK(catalog_->read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(auto entries,
                       r.entries_after(kRootNode, after, limits::catalog_step_rows_max));
                more = !entries.empty();
                for (auto& entry : entries) names[entry.node] = after = std::move(entry.name);
                return done();
            }));
        }
        std::vector<ContainerId> known;
        RF_CHECK(catalog_->read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(auto rows, r.containers());
            for (const auto& row : rows) {
                containers_.put(row, names[row.root]);
                quotas_.set(row.container, row.quota);
                known.push_back(row.container);
            }
            return done();
        }));
        return known;
    }

    Tree& tree() override { return tree_; }
    Accounts& accounts() override { return accounts_; }
    StoreId id() const override { return keys_->store_id(); }
    std::string degraded() const override {
        return catalog_->read_only()
                   ? "read-only since a disk error: see the log, check the disk, then restart"
                   : "";
    }
    Result<Health> health() override {
        Health health{.damaged_reads = reader_.damaged() - damaged_at_open_,
                      .freed_bytes = 0,
                      .reserve_bytes = space_.reserve_bytes()};
        RF_CHECK(catalog_->read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(health.freed_bytes, r.freed_bytes());
            return done();
        }));
        return health;
    }
    std::vector<std::string> open_report() const override { return report_; }
    const std::vector<crypto::Zone>& zones() const override { return zones_; }
    Result<std::vector<std::string>> audit() override {
        RF_TRY(const ContentAudit audit, audit_content(*catalog_));
        std::vector<std::string> found;
        for (const ContentFinding& finding : audit.findings) found.push_back(finding.text);
        return found;
    }
    Result<BackupReport> back_up(const std::string& directory, Job& job) override {
        RF_CHECK(tree_.sync());
        return core::back_up(context_, disk_, directory, job);
    }
    Result<RotateReport> rotate_key(const std::string& container, Job& job) override {
        return core::rotate_key(context_, tree_, files_, container, job);
    }
    std::vector<crypto::SlotKind> key_slots() const override { return keys_->slots(); }
    Result<std::optional<std::size_t>> change_key_slots(const KeySlotChange& change) override {
        return keys_->change_slots(change);
    }
    Result<ScrubReport> scrub(const ScrubOptions& options, Job& job) override {
        return core::scrub(context_, options, job);
    }

    Result<void> close() override {
        expirer_.stop();
        maintenance_.stop();
        files_.drain_all();
        RF_CHECK(packs_.sync_all());
        RF_CHECK(maintenance_.run_once());
        RF_CHECK(packs_.sync_all());
        RF_CHECK(packs_.check_nothing_lost());  // otherwise the next start has to recover
        return catalog_->close();
    }

  private:
    Disk& disk_;
    const std::string directory_;
    const std::vector<crypto::Zone> zones_;
    const std::unique_ptr<Keys> keys_;
    const std::unique_ptr<store::ExtentStore> store_;
    const std::unique_ptr<catalog::Catalog> catalog_;
    std::vector<std::string> report_;
    const MemoryShares shares_;
    CatalogInlines inlines_;
    content::BlockCache cache_;
    content::ExtentReader reader_;
    std::uint64_t damaged_at_open_ = 0;
    content::DirtyBudget budget_;
    SpaceGuard space_;
    Quotas quotas_;
    Packs packs_;
    Holds holds_;
    NodeTable nodes_;
    ContainerTable containers_;
    Documents documents_;
    IdSource<NodeId> node_ids_;
    IdSource<ExtentId> extent_ids_;
    IdSource<ContainerId> container_ids_;
    Context context_;
    Files files_;
    TreeImpl tree_;
    AccountsImpl accounts_;
    Maintenance maintenance_;
    Expirer expirer_;
};

Error lost_catalog(std::string_view how) {
    return {
        Errc::kCorrupt,
        fmt::format("the catalog is {}: the store cannot be opened without it; put it back from "
                    "a backup, or let reelfs fsck --rebuild make one from what the packs tell",
                    how)};
}

Result<void> make_empty_directory(Disk& disk, const std::string& path) {
    RF_CHECK(disk.make_directory(path));
    RF_TRY(auto names, disk.list(path));
    if (!names.empty())
        return Error(
            Errc::kExists,
            fmt::format("{} is not empty ({} is in it); choose an empty or a new directory", path,
                        names.front()));
    return done();
}

}  // namespace

Result<CreatedStore> create_store(const Environment& environment, const CreateOptions& options) {
    if (!std::has_single_bit(options.block_bytes) ||
        options.block_bytes < 1u << limits::block_shift_min ||
        options.block_bytes > 1u << limits::block_shift_max)
        return Error(Errc::kInvalid, "a block size is a power of two from 4 KiB to 1 MiB");
    Disk& disk = environment.disk;
    RF_CHECK(make_empty_directory(disk, options.directory));
    std::vector<crypto::Zone> zones{{ZoneId(0), ""}};
    for (const std::string& path : options.zones) {
        RF_CHECK(make_empty_directory(disk, path));
        zones.push_back({ZoneId(static_cast<std::uint16_t>(zones.size())), path});
    }

    CreatedStore created;
    environment.random.fill(created.id.bytes);
    crypto::Keyring keyring = crypto::Keyring::create(created.id, environment.random);
    created.recovery_key = crypto::Keyring::make_recovery_key(environment.random);
    RF_TRY([[maybe_unused]] auto first, keyring.add_slot(options.unlock, options.passphrase_cost));
    RF_TRY([[maybe_unused]] auto second, keyring.add_slot(created.recovery_key));
    keyring.set_zones(zones);

    RF_CHECK(disk.make_directory(options.directory + "/catalog"));
    RF_TRY(auto opened, catalog::open_catalog(disk, environment.random, keyring.page_key(),
                                              {options.directory + "/catalog", 4u << 20}));
    RF_CHECK(opened.catalog->write([&](catalog::Writer& w) -> Result<void> {
        catalog::NodeRow root;
        root.attributes.node = root.parent = kRootNode;
        root.attributes.type = NodeType::kDirectory;
        root.attributes.mode = 0755;
        root.attributes.links = 2;
        root.attributes.uid = options.owner_uid;
        root.attributes.gid = options.owner_gid;
        root.attributes.accessed = root.attributes.modified = root.attributes.changed =
            root.attributes.created = environment.clock.now();
        RF_CHECK(w.insert_node(root));
        return w.set_setting("default_block_shift",
                             std::to_string(std::countr_zero(options.block_bytes)));
    }));
    RF_CHECK(opened.catalog->sync());
    RF_CHECK(opened.catalog->close());

    // The keyring comes last, zone 0's at the very end: where it stands there is a store.
    RF_TRY(auto bytes, keyring.encode());
    for (auto zone = zones.rbegin(); zone != zones.rend(); ++zone) {
        const std::string directory = zone_directory(*zone, options.directory);
        RF_CHECK(disk.make_directory(directory + "/packs"));
        RF_CHECK(replace_file(disk, keyring_path(directory), bytes));
    }
    return created;
}

Result<StoreId> identify_store(Disk& disk, const std::string& directory) {
    auto bytes = read_file(disk, keyring_path(directory), crypto::kKeyringBytesMax);
    if (!bytes && bytes.error().code() == Errc::kNotFound)
        return Error(Errc::kNotFound,
                     fmt::format("{} holds no reelfs store; `reelfs init {}` makes one", directory,
                                 directory));
    if (!bytes) return std::move(bytes).error();
    return crypto::Keyring::peek_store_id(*bytes);
}

Result<std::unique_ptr<Volume>> open_store(const Environment& environment,
                                           const OpenOptions& options) {
    Disk& disk = environment.disk;
    RF_TRY(crypto::Keyring keyring,
           load_keyring(disk, keyring_path(options.directory), options.unlock));
    std::vector<std::string> keyring_paths;
    std::vector<store::ZoneDirectory> zone_directories;
    for (const crypto::Zone& zone : keyring.zones()) {
        keyring_paths.push_back(keyring_path(zone_directory(zone, options.directory)));
        zone_directories.push_back({zone.id, zone_directory(zone, options.directory)});
    }
    auto keys = std::make_unique<Keys>(disk, std::move(keyring), std::move(keyring_paths));
    RF_TRY(auto store,
           store::open_pack_store(disk, environment.random, std::move(zone_directories)));
    // It is never made here: an empty one would be believed by the next start, which would then set
    // all packs aside and forget all keys.
    RF_TRY(const bool there, disk.exists(options.directory + "/catalog/catalog.db"));
    if (!there) return lost_catalog("missing");
    const auto open_it = [&] {
        return catalog::open_catalog(
            disk, environment.random, keys->page_key(),
            {options.directory + "/catalog", MemoryShares(options.memory_bytes).catalog});
    };
    auto tried = open_it();
    // Opening needs room for the log. On a full disk the reserve gives it, so that somebody can
    // come in and delete.
    if (!tried && tried.error().code() == Errc::kNoSpace &&
        SpaceGuard::release_reserve_of(disk, options.directory))
        tried = open_it();
    RF_TRY(auto opened, std::move(tried));
    RF_CHECK(opened.catalog->read([](catalog::Reader& r) -> Result<void> {
        RF_TRY(const auto root, r.node(kRootNode));
        if (!root) return lost_catalog("empty");
        return done();
    }));
    std::vector<std::string> report;
    if (!opened.opened.log_report.empty()) report.push_back(opened.opened.log_report);
    auto volume =
        std::make_unique<VolumeImpl>(environment, options, std::move(keys), std::move(store),
                                     std::move(opened.catalog), std::move(report));
    RF_CHECK(volume->start(opened.opened.clean, options.background_barrier_ms));
    return std::unique_ptr<Volume>(std::move(volume));
}

}  // namespace reelfs::core
