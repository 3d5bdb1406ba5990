#include "reelfs/core/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/keys.h"
#include "reelfs/base/overlay_disk.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/core/audit.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"
#include "reelfs/store/pack_store.h"

namespace reelfs::core {

namespace {

using catalog::AuditMode;

/// One look at everything, on a disk of the caller's choice.
class Pass {
  public:
    Pass(const Environment& environment, const CheckOptions& options, Job& job, AuditMode mode)
        : environment_(environment),
          disk_(environment.disk),
          options_(options),
          job_(job),
          mode_(mode) {}

    Result<CheckReport> run(bool content) {
        RF_CHECK(look());
        RF_CHECK(job_.check_cancelled());
        // Recovery, as the next start would run it, and then the content that it leaves.
        if (usable_) RF_CHECK(open_and_verify(content));
        RF_CHECK(job_.check_cancelled());
        return std::move(report_);
    }
    /// False when not all of the store is there, or nobody can say which of its keyrings is the
    /// right one: until then nothing is to be changed.
    bool may_repair() const { return zones_there_ && keyrings_agree_; }

  private:
    bool repairs() const { return mode_ == AuditMode::kRepair; }
    void note(std::string text) {
        report_.findings.push_back({.level = Finding::Level::kNote, .text = std::move(text)});
    }
    void damage(std::string text, bool repairable = false) {
        job_.found();
        report_.findings.push_back({.level = Finding::Level::kDamage,
                                    .text = std::move(text),
                                    .repairable = repairable,
                                    .repaired = repairable && repairs()});
    }
    /// What is wrong with catalog or store, where reading fails for a bad sector, too; false for
    /// what is an error of this run.
    bool is_damage(const Error& error) const {
        return error.code() == Errc::kCorrupt || error.code() == Errc::kNotFound ||
               (error.code() == Errc::kIo && !repairs());
    }
    catalog::GoOn go_on() {
        return [this] { return job_.check_cancelled(); };
    }

    Result<void> look() {
        job_.begin("reading the keyring", 0);
        RF_CHECK(look_at_keyring());
        if (!keyring_ || (repairs() && !may_repair())) return done();
        job_.begin("reading the catalog", 0);
        RF_CHECK(look_at_catalog());
        return done();
    }

    std::string keyring_of(const crypto::Zone& zone) const {
        return (zone.path.empty() ? options_.directory : zone.path) + "/keyring";
    }

    Result<void> look_at_keyring() {
        const std::string first = options_.directory + "/keyring";
        RF_TRY(const auto bytes, read_file(disk_, first, crypto::kKeyringBytesMax));
        auto opened = crypto::Keyring::open(bytes, options_.unlock);
        if (!opened) {
            if (opened.error().code() != Errc::kCorrupt) return std::move(opened).error();
            damage(fmt::format("{}: {}", first, opened.error().message()));
            return done();
        }
        keyring_ = std::move(*opened);
        report_.store = keyring_->store_id();
        std::map<std::string, Copy> copies{{first, {keyring_->generation(), bytes}}};
        const std::vector<crypto::Zone> zones = keyring_->zones();
        for (const crypto::Zone& zone : zones)
            if (!zone.path.empty()) RF_CHECK(look_at_zone(zone.path, copies));
        return same_everywhere(copies);
    }

    /// A copy of the keyring that is one of this store's, or (generation 0) was.
    struct Copy {
        std::uint64_t generation = 0;
        std::vector<std::byte> bytes;
    };

    /// A zone that is not this store's, or may not be, is missing: nothing is written there.
    Result<void> look_at_zone(const std::string& zone, std::map<std::string, Copy>& copies) {
        const auto missing = [&](std::string_view how) {
            damage(fmt::format("zone {} {}: mount that disk, then check again", zone, how));
            zones_there_ = false;
        };
        RF_TRY(const bool there, disk_.exists(zone));
        if (!there) {
            missing("is missing");
            return done();
        }
        const std::string path = zone + "/keyring";
        auto bytes = read_file(disk_, path, crypto::kKeyringBytesMax);
        if (!bytes && bytes.error().code() == Errc::kNotFound) {
            RF_TRY(const bool was_one, has_packs(zone));
            if (!was_one) {
                missing("is missing: there is neither a keyring nor a pack in that directory");
                return done();
            }
        }
        if (!bytes && !is_damage(bytes.error())) return std::move(bytes).error();
        if (!bytes) {
            damage(fmt::format("the copy of the keyring {} cannot be read: {}", path,
                               bytes.error().message()),
                   true);
            copies[path] = {};
            return done();
        }
        // Every undamaged one tells whose it is and how new; a damaged one tells nothing.
        auto head = crypto::Keyring::peek(*bytes);
        if (head && head->store != keyring_->store_id()) {
            missing(fmt::format("holds the keyring of another store ({})", head->store.hex()));
            return done();
        }
        auto other = crypto::Keyring::open(*bytes, options_.unlock);
        if (other) {
            copies[path] = {other->generation(), std::move(*bytes)};
            if (other->generation() > keyring_->generation()) keyring_ = std::move(*other);
            return done();
        }
        const std::uint64_t generation = head ? head->generation : 0;
        const bool older = generation < keyring_->generation();
        if (other.error().code() == Errc::kCorrupt ||
            (other.error().code() == Errc::kWrongKey && older)) {
            damage(fmt::format("the copy of the keyring {} cannot be used: {}", path,
                               other.error().message()),
                   true);
            copies[path] = {};
            return done();
        }
        if (other.error().code() != Errc::kWrongKey) return std::move(other).error();
        // It has keys that ours may not have.
        damage(
            fmt::format("the copy of the keyring {} is no older than that of the store "
                        "(generation {}, and {}), and does not open: {}",
                        path, generation, keyring_->generation(), other.error().message()));
        zones_there_ = false;
        return done();
    }

    Result<bool> has_packs(const std::string& zone) {
        RF_TRY(const bool there, disk_.exists(zone + "/packs"));
        if (!there) return false;
        RF_TRY(const auto names, disk_.list(zone + "/packs"));
        return !names.empty();
    }

    Result<void> same_everywhere(const std::map<std::string, Copy>& copies) {
        bool behind = false;
        const Copy* newest = nullptr;
        for (const auto& [path, copy] : copies) {
            if (copy.generation == keyring_->generation()) {
                if (newest == nullptr) newest = &copy;
                if (copy.bytes == newest->bytes) continue;
                // Two that were written apart: which keys are the right ones nobody here knows.
                damage(
                    fmt::format("the copy of the keyring {} says something else than another, "
                                "and is as new (generation {})",
                                path, copy.generation));
                keyrings_agree_ = false;
                continue;
            }
            behind = true;
            if (copy.generation != 0)
                damage(
                    fmt::format("the copy of the keyring {} is older than another (generation {} "
                                "instead of {})",
                                path, copy.generation, keyring_->generation()),
                    true);
        }
        if (!behind || !may_repair()) return done();
        // Where nothing is repaired this stays in memory, and the rest can be looked at all the
        // same.
        RF_TRY(const auto bytes, keyring_->encode());
        for (const auto& [path, copy] : copies) RF_CHECK(replace_file(disk_, path, bytes));
        return done();
    }

    Result<std::unique_ptr<store::ExtentStore>> open_packs() {
        std::vector<store::ZoneDirectory> directories;
        for (const crypto::Zone& zone : keyring_->zones())
            directories.push_back({zone.id, zone.path.empty() ? options_.directory : zone.path});
        return store::open_pack_store(disk_, environment_.random, std::move(directories));
    }

    Result<void> look_at_catalog() {
        const std::string directory = options_.directory + "/catalog";
        RF_TRY(const bool there, disk_.exists(directory + "/catalog.db"));
        if (!there) {
            damage(
                fmt::format("the catalog is missing: {}/catalog.db; reelfs fsck --rebuild makes "
                            "one from what the packs tell",
                            directory));
            return done();
        }
        auto opened = catalog::open_catalog(disk_, environment_.random, keyring_->page_key(),
                                            {directory, options_.memory_bytes / 16});
        if (!opened) {
            if (!is_damage(opened.error())) return std::move(opened).error();
            damage("the catalog cannot be opened: " + opened.error().message());
            return done();
        }
        if (const std::string& log = opened->opened.log_report; !log.empty())
            note(fmt::format("{}the catalog's log: {}",
                             repairs() ? "" : "at the next start: ", log));
        catalog::Catalog& catalog = *opened->catalog;
        // Pages are opened one by one on the copy in memory only: that checkpoints.
        if (!repairs()) {
            auto pages = catalog.damaged_pages(go_on());
            if (!pages && !is_damage(pages.error())) return std::move(pages).error();
            if (!pages) damage("the catalog: " + pages.error().message());
            if (pages)
                for (std::string& page : *pages) damage(std::move(page));
        }
        auto audited = audit(catalog);
        if (!audited && !is_damage(audited.error())) return std::move(audited).error();
        if (!audited) {
            damage("the catalog: " + audited.error().message());
            return done();
        }
        usable_ = zones_there_ && !trees_are_bad_;
        return done();
    }

    Result<void> audit(catalog::Catalog& catalog) {
        RF_TRY(auto findings, catalog.audit(mode_, environment_.clock.now(), go_on()));
        std::set<NodeId> nodes;
        for (const auto& finding : findings)
            if (finding.node) nodes.insert(*finding.node);
        RF_TRY(const auto paths, catalog.paths_of(nodes, go_on()));
        for (const auto& finding : findings) {
            std::string text = finding.text;
            if (finding.node)
                if (auto path = paths.find(*finding.node); path != paths.end())
                    text = fmt::format("{}: {}", path->second, text);
            if (finding.more != 0) text += fmt::format(" (and {} more like this)", finding.more);
            damage(std::move(text), finding.repairable);
            trees_are_bad_ |= finding.of_trees;
        }
        // A walk over such trees misses rows, and what is nobody's then is nobody's to take away.
        if (trees_are_bad_) {
            damage(
                "the rest was not looked at, since the catalog's trees contradict each other; "
                "reelfs fsck --rebuild makes a new one from what the packs tell");
            return done();
        }
        RF_CHECK(look_at_containers(catalog));
        if (!zones_there_) return done();
        RF_TRY(auto store, open_packs());
        RF_CHECK(look_at_extents(catalog));
        return look_at_packs(catalog, *store);
    }

    Result<void> look_at_containers(catalog::Catalog& catalog) {
        std::vector<catalog::ContainerRow> rows;
        RF_CHECK(catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(rows, r.containers());
            return done();
        }));
        std::set<ContainerId> known;
        for (const auto& row : rows) {
            known.insert(row.container);
            if (!keyring_->newest_container_key(row.container, nullptr))
                damage(
                    fmt::format("the keyring has no key of container {}: its content cannot be "
                                "opened",
                                row.container.value()));
        }
        for (const ContainerId container : keyring_->containers())
            if (!known.contains(container))
                note(
                    fmt::format("the keyring has a key of container {}, which does not exist; the "
                                "next start forgets it",
                                container.value()));
        return done();
    }

    /// The account of content.
    Result<void> look_at_extents(catalog::Catalog& catalog) {
        RF_TRY(audit_, audit_content(catalog, mode_, job_));
        report_.extents = audit_.extents;
        std::set<NodeId> nodes;
        for (const ContentFinding& finding : audit_.findings)
            if (finding.node) nodes.insert(*finding.node);
        RF_TRY(const auto paths, catalog.paths_of(nodes, go_on()));
        for (ContentFinding& finding : audit_.findings) {
            std::string text = std::move(finding.text);
            if (finding.node)
                if (auto path = paths.find(*finding.node); path != paths.end())
                    text = fmt::format("{}: {}", path->second, text);
            damage(std::move(text), finding.repairable);
        }
        if (audit_.more != 0)
            damage(fmt::format("and {} more contradictions in the account of content, not listed",
                               audit_.more));
        return done();
    }

    Result<void> look_at_packs(catalog::Catalog& catalog, store::ExtentStore& store) {
        std::vector<catalog::PackRow> rows;
        RF_CHECK(catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(rows, r.packs());
            return done();
        }));
        RF_TRY(const auto list, store.list());
        std::map<PackId, store::PackInfo> present;
        for (const auto& pack : list) {
            if (present.contains(pack.pack))
                damage(fmt::format("pack {} is in two zones", pack.pack.hex()));
            present.emplace(pack.pack, pack);
        }
        report_.packs = rows.size();
        for (const auto& row : rows) {
            const ContentAudit::PackUse use = audit_.packs[row.pack];
            const auto file = present.find(row.pack);
            if (file == present.end()) {
                if (use.live_bytes != 0)
                    damage(fmt::format("pack {} is missing; {} bytes of content were in it",
                                       row.pack.hex(), use.live_bytes));
            } else if (file->second.bytes < std::min(use.end, row.durable_end)) {
                damage(fmt::format("pack {} ends at {}, and has content up to {}", row.pack.hex(),
                                   file->second.bytes, use.end));
            }
            if (file != present.end()) present.erase(file);
        }
        for (const auto& [pack, info] : present)
            note(
                fmt::format("pack {} ({} bytes) is not known to the catalog; the recovery after a "
                            "crash sets such packs aside",
                            pack.hex(), info.bytes));
        return done();
    }

    Result<void> open_and_verify(bool content) {
        job_.begin("recovering", 0);
        OpenOptions open{.directory = options_.directory,
                         .unlock = options_.unlock,
                         .read_only = false,
                         .memory_bytes = options_.memory_bytes,
                         .background_barrier_ms = 0};
        auto volume = open_store(environment_, open);
        if (!volume) {
            if (!is_damage(volume.error())) return std::move(volume).error();
            damage("the store cannot be opened: " + volume.error().message());
            return done();
        }
        for (const std::string& line : (*volume)->open_report())
            note((repairs() ? "" : "at the next start: ") + line);
        if (content) {
            auto verified = (*volume)->scrub({.resumable = false, .from_start = true}, job_);
            if (!verified && !is_damage(verified.error())) return std::move(verified).error();
            if (!verified) {
                damage("the content cannot be verified: " + verified.error().message());
                return done();
            }
            const ScrubReport& scrubbed = *verified;
            if (!scrubbed.complete) return Error(Errc::kCancelled, "cancelled");
            report_.content_bytes = scrubbed.bytes;
            for (const std::string& line : scrubbed.lines)
                report_.findings.push_back({.level = Finding::Level::kDamage, .text = line});
            if (scrubbed.damaged > scrubbed.lines.size())
                report_.findings.push_back(
                    {.level = Finding::Level::kDamage,
                     .text = fmt::format("and {} more places are damaged",
                                         scrubbed.damaged - scrubbed.lines.size())});
        }
        return repairs() ? (*volume)->close() : done();
    }

    const Environment environment_;
    Disk& disk_;
    const CheckOptions& options_;
    Job& job_;
    const AuditMode mode_;
    CheckReport report_;
    std::optional<crypto::Keyring> keyring_;
    ContentAudit audit_;
    bool zones_there_ = true;
    bool keyrings_agree_ = true;
    bool trees_are_bad_ = false;
    bool usable_ = false;  // catalog and zones are there and can be read
};

struct Seen {
    CheckReport report;
    bool may_repair = false;
};

Result<Seen> look(const Environment& environment, const CheckOptions& options, Job& job,
                  bool content) {
    OverlayDisk overlay(environment.disk);
    Pass pass({overlay, environment.random, environment.clock}, options, job, AuditMode::kReport);
    RF_TRY(CheckReport report, pass.run(content));
    return Seen{std::move(report), pass.may_repair()};
}

}  // namespace

bool CheckReport::clean() const {
    return std::all_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.level == Finding::Level::kNote;
    });
}

bool CheckReport::damage_is_left() const {
    return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.level == Finding::Level::kDamage && !finding.repaired;
    });
}

Result<CheckReport> check_store(const Environment& environment, const CheckOptions& options,
                                Job& job) {
    RF_TRY(Seen seen, look(environment, options, job, options.content));
    CheckReport& report = seen.report;
    const bool any = std::any_of(report.findings.begin(), report.findings.end(),
                                 [](const Finding& finding) { return finding.repairable; });
    if (!options.repair || !any || !seen.may_repair) return std::move(report);
    job.begin("repairing", 0);
    RF_CHECK(Pass(environment, options, job, AuditMode::kRepair).run(false));
    // What is still found afterwards was not repaired, whatever anybody thinks.
    RF_TRY(const Seen again, look(environment, options, job, false));
    const CheckReport& after = again.report;
    std::set<std::string> left, before;
    for (const Finding& finding : after.findings) left.insert(finding.text);
    for (Finding& finding : report.findings) {
        finding.repaired = finding.repairable && !left.contains(finding.text);
        before.insert(finding.text);
    }
    for (const Finding& finding : after.findings)
        if (finding.level == Finding::Level::kDamage && !before.contains(finding.text))
            report.findings.push_back(finding);
    return std::move(report);
}

}  // namespace reelfs::core
