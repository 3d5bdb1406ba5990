#include "core/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/backup_manifest.h"
#include "core/copying.h"
#include "reelfs/base/log.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

/// What is read one by one where a whole piece cannot be.
constexpr std::size_t kReadUnit = limits::pack_alignment;

bool is_ours(const std::string& name) {
    return name == kManifestName || name == std::string(kManifestName) + ".new" ||
           name == "packs" || name.starts_with("catalog.") || name.starts_with("keyring.");
}

Result<CopiedFile> copy_file(Disk& disk, const std::string& source, const std::string& target,
                             std::uint64_t bytes, Job& job) {
    RF_TRY(auto from, disk.open(source, OpenMode::kRead));
    RF_TRY(auto to, disk.open(target, OpenMode::kCreate));
    RF_CHECK(to->truncate(0));
    RF_TRY(const std::uint64_t sum,
           copy_range([&](std::uint64_t at, MutableBytes out) { return from->read_at(at, out); },
                      *to, 0, bytes, job));
    RF_CHECK(to->sync());
    return CopiedFile{bytes, sum};
}

class Backup {
  public:
    Backup(Context& context, Disk& disk, const std::string& directory, Job& job)
        : context_(context), disk_(disk), directory_(directory), job_(job) {}

    Result<BackupReport> run() {
        RF_CHECK(prepare());
        {
            // What the copied catalog names is not given back to the disk until it has been copied.
            Holds::Hold hold(context_.holds);
            RF_CHECK(copy_catalog());
            RF_CHECK(copy_packs());
        }
        RF_CHECK(verify());
        RF_CHECK(disk_.sync_directory(directory_));
        RF_CHECK(replace_file(disk_, path_of(kManifestName), bytes_of(encode(now_))));
        // It is complete, whatever becomes of what it does not need.
        if (auto removed = remove_leftovers(); !removed)
            report_.notes.push_back(
                fmt::format("what only earlier backups needed is still there, and the next one "
                            "takes it away: {}",
                            removed.error().message()));
        if (unlisted_ > 0)
            report_.problems.push_back(fmt::format("and {} more, which the log names", unlisted_));
        report_.generation = now_.generation;
        return std::move(report_);
    }

  private:
    std::string path_of(std::string_view name) const {
        return fmt::format("{}/{}", directory_, name);
    }
    std::string parent() const {
        const std::size_t slash = directory_.rfind('/');
        return slash == 0 ? "/" : directory_.substr(0, slash);
    }
    std::string catalog_of(std::uint64_t generation) const {
        return path_of(fmt::format("catalog.{}", generation));
    }
    std::string keyring_of(std::uint64_t generation) const {
        return path_of(fmt::format("keyring.{}", generation));
    }

    Result<void> prepare() {
        RF_TRY(const bool there, disk_.exists(directory_));
        RF_CHECK(disk_.make_directory(directory_));
        if (!there) RF_CHECK(disk_.sync_directory(parent()));
        now_.store = context_.keys.store_id();
        now_.taken = context_.clock.now();
        RF_TRY(const auto names, disk_.list(directory_));
        for (const std::string& name : names)
            if (!is_ours(name))
                return Error(Errc::kExists,
                             fmt::format("{} is not empty and no backup ({} is in it); choose an "
                                         "empty or a new directory",
                                         directory_, name));
        auto text = read_file(disk_, path_of(kManifestName), kManifestBytesMax);
        if (!text && text.error().code() == Errc::kNotFound) {
            // An earlier one that never became complete may have left parts of any age.
            now_.generation = 1;
            return done();
        }
        if (!text) return std::move(text).error();
        RF_TRY(before_, decode_manifest(text_of(*text)));
        if (before_.store != now_.store)
            return Error(Errc::kExists, fmt::format("{} is a backup of another store ({})",
                                                    directory_, before_.store.hex()));
        now_.generation = before_.generation + 1;
        return done();
    }

    Result<void> copy_catalog() {
        const std::string target = catalog_of(now_.generation);
        RF_CHECK(disk_.make_directory(target));
        std::vector<std::byte> keyring;
        const auto at_point = [&](catalog::Reader& r) -> Result<void> {
            RF_TRY(packs_, r.packs());
            // Here no container can come or go, so the keyring has the key of each that the copy
            // knows: a key is durable before its container is committed, and goes after.
            RF_TRY(keyring, context_.keys.copy());
            return done();
        };
        RF_CHECK(context_.catalog.snapshot(
            at_point, [&](const catalog::Catalog::Files& files) -> Result<void> {
                job_.begin("copying the catalog",
                           files.database_bytes + files.log_bytes + keyring.size());
                RF_TRY(now_.database, copy_file(disk_, files.database, target + "/catalog.db",
                                                files.database_bytes, job_));
                RF_TRY(now_.log, copy_file(disk_, files.log, target + "/catalog.db-wal",
                                           files.log_bytes, job_));
                return done();
            }));
        RF_CHECK(disk_.sync_directory(target));
        RF_CHECK(replace_file(disk_, keyring_of(now_.generation), keyring));
        RF_TRY(auto copy, disk_.open(keyring_of(now_.generation), OpenMode::kRead));
        RF_TRY(now_.keyring.sum, sum_range(*copy, 0, keyring.size(), job_));
        now_.keyring.bytes = keyring.size();
        return done();
    }

    /// How much of each pack there is to copy: up to where nothing can change any more. What the
    /// catalog's copy names lies below that once the puts of its moment have returned.
    Result<std::map<PackId, std::uint64_t>> settled_lengths() {
        job_.begin("waiting for writes under way", 0);
        context_.packs.wait_for_puts();
        RF_TRY(const auto list, context_.store.list());
        std::set<PackId> wanted;
        for (const auto& row : packs_) wanted.insert(row.pack);
        std::map<PackId, std::uint64_t> length;
        for (const auto& pack : list) {
            if (!wanted.contains(pack.pack)) continue;
            length[pack.pack] = pack.bytes;
            if (!context_.packs.in_use(pack.pack)) continue;
            // A put in flight behind it may have made the file longer than it will be in the end.
            auto end = context_.store.sync(pack.pack);
            if (end)
                length[pack.pack] = *end;
            else if (end.error().code() != Errc::kIo)  // given up: no put changes it
                return std::move(end).error();
        }
        return length;
    }

    Result<void> copy_packs() {
        // Those of which nothing is named may go at any moment.
        std::erase_if(packs_, [](const catalog::PackRow& row) { return row.live_bytes == 0; });
        RF_TRY(const auto length, settled_lengths());
        std::uint64_t total = 0;
        for (const auto& row : packs_) total += missing_of(row.pack, length);
        job_.begin("copying content", total);
        for (const auto& row : packs_) {
            const auto there = length.find(row.pack);
            if (there != length.end()) {
                RF_CHECK(look_at_end(row, there->second));
                RF_CHECK(copy_pack(row.pack, there->second));
                continue;
            }
            // The backup before may have the only copy that there is.
            const std::uint64_t have = copied_of(row.pack);
            problem(fmt::format("pack {} is missing, and with it {} bytes of content{}",
                                row.pack.hex(), row.live_bytes,
                                have == 0 ? std::string()
                                          : fmt::format("; of its bytes the backup has the first "
                                                        "{}, and keeps them",
                                                        have)));
            if (have != 0) RF_CHECK(copy_pack(row.pack, 0));
        }
        return done();
    }

    /// A pack that has been cut short is told.
    Result<void> look_at_end(const catalog::PackRow& row, std::uint64_t bytes) {
        if (bytes >= row.durable_end) return done();
        std::uint64_t named = 0;
        for (std::uint64_t from = 0;;) {
            std::size_t count = 0;
            RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(const auto extents,
                       r.extents_in_pack(row.pack, from, limits::catalog_step_rows_max));
                count = extents.size();
                for (const auto& one : extents) {
                    const Location& location = one.extent.location;
                    from = location.offset + 1;
                    named = std::max(named, location.offset + location.length);
                }
                return done();
            }));
            if (count < static_cast<std::size_t>(limits::catalog_step_rows_max)) break;
        }
        if (bytes < std::min(named, row.durable_end))
            problem(fmt::format("pack {} ends at {}, and has content up to {}", row.pack.hex(),
                                bytes, named));
        return done();
    }

    /// What the backup before has of a pack.
    std::uint64_t copied_of(const PackId& pack) const {
        const auto copied = before_.packs.find(pack);
        return copied == before_.packs.end() ? 0 : length_of(copied->second);
    }

    std::uint64_t missing_of(const PackId& pack,
                             const std::map<PackId, std::uint64_t>& length) const {
        const auto there = length.find(pack);
        const std::uint64_t have = copied_of(pack);
        return there == length.end() ? 0 : there->second - std::min(have, there->second);
    }

    /// A pack only grows, and no byte of it is ever written twice: what was copied is as it was,
    /// but for room given back, which nobody will read.
    Result<void> copy_pack(const PackId& pack, std::uint64_t bytes) {
        std::vector<CopiedPart> parts;
        if (auto copied = before_.packs.find(pack); copied != before_.packs.end())
            parts = copied->second;
        const std::uint64_t have = length_of(parts);
        if (const auto unread = before_.unread.find(pack); unread != before_.unread.end()) {
            now_.unread[pack] = unread->second;
            problem(
                fmt::format("{} bytes of pack {} could not be read when it was backed up, and "
                            "are not in the backup; one into a new directory tries again",
                            unread->second, pack.hex()));
        }
        ++report_.packs;
        report_.bytes += std::max(have, bytes);
        const std::string path = path_of(pack_name(pack));
        if (have >= bytes && have != 0) {
            RF_TRY(auto file, disk_.open(path, OpenMode::kRead));
            RF_TRY(const std::uint64_t size, file->size());
            if (size < have)
                return Error(
                    Errc::kCorrupt,
                    fmt::format("{} is shorter than it was when it was backed up: {} bytes "
                                "instead of {}; remove this backup and make a new one",
                                path, size, have));
            now_.packs[pack] = std::move(parts);
            return done();
        }
        RF_CHECK(make_directories(disk_, directory_,
                                  pack_name(pack).substr(0, pack_name(pack).rfind('/'))));
        RF_TRY(auto file, disk_.open(path, OpenMode::kCreate));
        Unread unread;
        const auto read = [&](std::uint64_t at, MutableBytes out) -> Result<std::size_t> {
            return read_piece({pack, 0, bytes}, at, out, unread);
        };
        CopiedPart part{.from = have, .bytes = bytes - have, .sum = 0};
        if (part.bytes != 0) {
            RF_TRY(part.sum, copy_range(read, *file, have, part.bytes, job_));
            RF_CHECK(file->sync());
            if (unread.bytes != 0) {
                now_.unread[pack] += unread.bytes;
                problem(
                    fmt::format("{} bytes of pack {} cannot be read, and are not in the "
                                "backup: {}",
                                unread.bytes, pack.hex(), unread.why));
            }
            parts.push_back(part);
            fresh_.emplace_back(path, part);
            report_.bytes_copied += part.bytes;
            ++report_.packs_copied;
        }
        RF_CHECK(disk_.sync_directory(path.substr(0, path.rfind('/'))));
        now_.packs[pack] = std::move(parts);
        return done();
    }

    struct Unread {
        std::uint64_t bytes = 0;
        std::string why;
    };
    /// What the disk does not give is zeros in the copy, and counted: the rest is worth having.
    Result<std::size_t> read_piece(const Location& pack, std::uint64_t at, MutableBytes out,
                                   Unread& unread) {
        auto whole = context_.store.read_device(pack, at, out);
        if (whole) return out.size();
        if (whole.error().code() != Errc::kIo) return std::move(whole).error();
        for (std::size_t i = 0; i < out.size(); i += kReadUnit) {
            RF_CHECK(job_.check_cancelled());
            const MutableBytes unit = out.subspan(i, std::min(kReadUnit, out.size() - i));
            auto read = context_.store.read_device(pack, at + i, unit);
            if (read) continue;
            if (read.error().code() != Errc::kIo) return std::move(read).error();
            std::fill(unit.begin(), unit.end(), std::byte{});
            unread.bytes += unit.size();
            unread.why = read.error().message();
        }
        return out.size();
    }

    /// From the device, not from memory.
    Result<void> verify() {
        const std::string catalog = catalog_of(now_.generation);
        fresh_.emplace_back(catalog + "/catalog.db",
                            CopiedPart{0, now_.database.bytes, now_.database.sum});
        fresh_.emplace_back(catalog + "/catalog.db-wal",
                            CopiedPart{0, now_.log.bytes, now_.log.sum});
        fresh_.emplace_back(keyring_of(now_.generation),
                            CopiedPart{0, now_.keyring.bytes, now_.keyring.sum});
        std::uint64_t total = 0;
        for (const auto& [path, part] : fresh_) total += part.bytes;
        job_.begin("verifying the backup", total);
        for (const auto& [path, part] : fresh_) RF_CHECK(verify_copy(disk_, path, part, job_));
        return done();
    }

    /// What only earlier backups needed.
    Result<void> remove_leftovers() {
        RF_TRY(const auto names, disk_.list(directory_));
        for (const std::string& name : names) {
            const std::string path = path_of(name);
            if (name.starts_with("keyring.") && path != keyring_of(now_.generation)) {
                RF_CHECK(disk_.remove(path));
            } else if (name.starts_with("catalog.") && path != catalog_of(now_.generation)) {
                RF_TRY(const auto files, disk_.list(path));
                for (const std::string& file : files) RF_CHECK(disk_.remove(path + "/" + file));
                RF_CHECK(disk_.remove_directory(path));
            }
        }
        std::set<std::string> wanted;
        for (const auto& [pack, parts] : now_.packs) wanted.insert(path_of(pack_name(pack)));
        RF_TRY(const bool packs, disk_.exists(path_of("packs")));
        if (!packs) return done();
        RF_TRY(const auto buckets, disk_.list(path_of("packs")));
        for (const std::string& bucket : buckets) {
            const std::string folder = path_of("packs/" + bucket);
            RF_TRY(const auto files, disk_.list(folder));
            for (const std::string& file : files)
                if (!wanted.contains(folder + "/" + file))
                    RF_CHECK(disk_.remove(folder + "/" + file));
        }
        return done();
    }

    void problem(std::string line) {
        job_.found();
        if (report_.problems.size() < limits::findings_max) {
            report_.problems.push_back(std::move(line));
        } else {
            log::error("backup: {}", line);
            ++unlisted_;
        }
    }

    Context& context_;
    Disk& disk_;
    const std::string directory_;
    Job& job_;
    BackupManifest before_, now_;
    std::vector<catalog::PackRow> packs_;
    std::vector<std::pair<std::string, CopiedPart>> fresh_;
    BackupReport report_;
    std::uint64_t unlisted_ = 0;  // problems beyond the bound of the report
};

}  // namespace

Result<BackupReport> back_up(Context& context, Disk& disk, const std::string& directory, Job& job) {
    return Backup(context, disk, directory, job).run();
}

}  // namespace reelfs::core
