// A store from a backup, see backup.h. The keyring comes last: where it stands there is a store,
// whole, whose ids are already beyond those of the original.
#include <fmt/format.h>

#include <algorithm>

#include "core/backup_manifest.h"
#include "core/copying.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/core/backup.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

Result<BackupManifest> read_manifest(Disk& disk, const std::string& directory) {
    auto text = read_file(disk, directory + "/" + kManifestName, kManifestBytesMax);
    if (!text && text.error().code() == Errc::kNotFound)
        return Error(Errc::kNotFound, fmt::format("{} holds no complete backup", directory));
    if (!text) return std::move(text).error();
    return decode_manifest(text_of(*text));
}

class Restore {
  public:
    Restore(const Environment& environment, const RestoreOptions& options, Job& job)
        : environment_(environment), disk_(environment.disk), options_(options), job_(job) {}

    Result<RestoreReport> run() {
        RF_TRY(manifest_, read_manifest(disk_, options_.backup));
        RF_TRY(crypto::Keyring keyring, open_keyring());
        RF_CHECK(make_place());
        RF_CHECK(copy_packs());
        RF_CHECK(copy_catalog(keyring));
        // The zones were directories of the machine that the backup comes from.
        keyring.set_zones({crypto::Zone{ZoneId{0}, ""}});
        RF_TRY(const auto bytes, keyring.encode());
        RF_CHECK(replace_file(disk_, options_.directory + "/keyring", bytes));
        RF_CHECK(disk_.sync_directory(parent()));
        RF_CHECK(open_once());
        report_.store = manifest_.store;
        report_.taken = manifest_.taken;
        return std::move(report_);
    }

  private:
    std::string source_of(std::string_view name) const {
        return fmt::format("{}/{}", options_.backup, name);
    }
    std::string parent() const {
        const std::size_t slash = options_.directory.rfind('/');
        return slash == 0 ? "/" : options_.directory.substr(0, slash);
    }

    Result<crypto::Keyring> open_keyring() {
        const std::string path = source_of(fmt::format("keyring.{}", manifest_.generation));
        RF_TRY(const auto bytes, read_file(disk_, path, crypto::kKeyringBytesMax));
        return crypto::Keyring::open(bytes, options_.unlock);
    }

    Result<void> make_place() {
        RF_CHECK(disk_.make_directory(options_.directory));
        RF_TRY(const auto names, disk_.list(options_.directory));
        if (!names.empty())
            return Error(Errc::kExists,
                         fmt::format("{} is not empty ({} is in it); a store is restored into an "
                                     "empty or a new directory",
                                     options_.directory, names.front()));
        RF_CHECK(make_directories(disk_, options_.directory, "packs"));
        return make_directories(disk_, options_.directory, "catalog");
    }

    Result<void> copy(const std::string& source, const std::string& target,
                      const std::vector<CopiedPart>& parts) {
        RF_TRY(auto from, disk_.open(source, OpenMode::kRead));
        RF_TRY(auto to, disk_.open(target, OpenMode::kCreateNew));
        for (const CopiedPart& part : parts) {
            auto sum = copy_range(
                [&](std::uint64_t at, MutableBytes out) { return from->read_at(at, out); }, *to,
                part.from, part.bytes, job_);
            if (!sum) return std::move(sum).error().with(source);
            if (*sum != part.sum)
                return Error(Errc::kCorrupt,
                             fmt::format("{} is damaged between {} and {}; restore "
                                         "from another backup",
                                         source, part.from, part.from + part.bytes));
            report_.bytes += part.bytes;
        }
        return to->sync();
    }

    Result<void> copy_packs() {
        std::uint64_t total = 0;
        for (const auto& [pack, parts] : manifest_.packs) total += length_of(parts);
        job_.begin("copying content", total);
        for (const auto& [pack, parts] : manifest_.packs) {
            const std::string name = pack_name(pack);
            const std::string folder = name.substr(0, name.rfind('/'));
            RF_CHECK(make_directories(disk_, options_.directory, folder));
            RF_CHECK(copy(source_of(name), options_.directory + "/" + name, parts));
            RF_CHECK(disk_.sync_directory(options_.directory + "/" + folder));
            ++report_.packs;
        }
        return done();
    }

    Result<void> copy_catalog(const crypto::Keyring& keyring) {
        job_.begin("copying the catalog", manifest_.database.bytes + manifest_.log.bytes);
        const std::string target = options_.directory + "/catalog";
        const std::string source = source_of(fmt::format("catalog.{}", manifest_.generation));
        const auto whole = [](const CopiedFile& file) {
            return std::vector<CopiedPart>{{0, file.bytes, file.sum}};
        };
        RF_CHECK(copy(source + "/catalog.db", target + "/catalog.db", whole(manifest_.database)));
        RF_CHECK(
            copy(source + "/catalog.db-wal", target + "/catalog.db-wal", whole(manifest_.log)));
        RF_CHECK(disk_.sync_directory(target));
        RF_TRY(auto opened, catalog::open_catalog(disk_, environment_.random, keyring.page_key(),
                                                  {target, limits::catalog_cache_bytes_default}));
        // The original went on after the backup: its ids are not ours to hand out. Not closed: that
        // is for whoever has recovered.
        for (const auto kind :
             {catalog::Lease::kNodeIds, catalog::Lease::kExtentIds, catalog::Lease::kContainerIds})
            RF_CHECK(opened.catalog->lease(kind, limits::ids_skipped_by_restore));
        return done();
    }

    Result<void> open_once() {
        job_.begin("opening the store", 0);
        RF_TRY(auto volume, open_store(environment_, {.directory = options_.directory,
                                                      .unlock = options_.unlock,
                                                      .background_barrier_ms = 0}));
        report_.open_report = volume->open_report();
        return volume->close();
    }

    const Environment environment_;
    Disk& disk_;
    const RestoreOptions& options_;
    Job& job_;
    BackupManifest manifest_;
    RestoreReport report_;
};

}  // namespace

Result<StoreId> identify_backup(Disk& disk, const std::string& directory) {
    RF_TRY(const BackupManifest manifest, read_manifest(disk, directory));
    return manifest.store;
}

Result<RestoreReport> restore_store(const Environment& environment, const RestoreOptions& options,
                                    Job& job) {
    return Restore(environment, options, job).run();
}

}  // namespace reelfs::core
