// Opening: what must be true of the two files before SQLite sees them.
//
// A new catalog is made whole under another name and renamed, so a power cut leaves none or all of
// it. The log of an existing one is read from the device, not from a cache that a failed write-back
// may have left wrong: it is synced and dropped from the cache first. The database file needs no
// such care: a page of it that is not durable stands in the log, which is restarted only after a
// sync of the database succeeded.
#include <fmt/format.h>
#include <xxhash.h>

#include "catalog/log_file.h"
#include "catalog/log_layout.h"
#include "catalog/sqlite_catalog.h"
#include "reelfs/base/log.h"

namespace reelfs::catalog {

namespace {

constexpr std::size_t kCopyBytes = 64u << 10;

Result<void> remove_if_there(Disk& disk, const std::string& path) {
    Result<void> removed = disk.remove(path);
    if (!removed && removed.error().code() != Errc::kNotFound) return removed;
    return done();
}

Result<std::uint64_t> fingerprint(const File& file, std::uint64_t size) {
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                          &XXH3_freeState);
    XXH3_64bits_reset(state.get());
    Buffer buffer(kCopyBytes);
    for (std::uint64_t at = 0; at < size; at += kCopyBytes) {
        RF_TRY(std::size_t n, file.read_at(at, buffer.span()));
        XXH3_64bits_update(state.get(), buffer.data(), n);
    }
    return XXH3_64bits_digest(state.get());
}

/// Copies the log beside itself, durably, and says where. The name comes from the (sealed) bytes,
/// so that a service that is started again and again does not fill the disk with copies. Zeros, as
/// most of the log is when it has just grown, are holes in the copy.
Result<std::string> copy_aside(Disk& disk, const std::string& directory, const std::string& path) {
    RF_TRY(std::unique_ptr<File> source, disk.open(path, OpenMode::kRead));
    RF_TRY(const std::uint64_t size, source->size());
    RF_TRY(const std::uint64_t hash, fingerprint(*source, size));
    const std::string target = fmt::format("{}.damaged-{:016x}", path, hash);
    RF_TRY(std::unique_ptr<File> copy, disk.open(target, OpenMode::kCreate));
    RF_TRY(const std::uint64_t there, copy->size());
    if (there == size) {
        RF_TRY(const std::uint64_t known, fingerprint(*copy, size));
        if (known == hash) return target;
    }
    RF_CHECK(copy->truncate(0));
    RF_CHECK(copy->truncate(size));
    Buffer buffer(kCopyBytes);
    for (std::uint64_t at = 0; at < size; at += kCopyBytes) {
        RF_TRY(std::size_t n, source->read_at(at, buffer.span()));
        const Bytes found = Bytes(buffer.span()).first(n);
        if (!all_zero(found)) RF_CHECK(copy->write_at(at, found));
    }
    RF_CHECK(copy->sync());
    RF_CHECK(disk.sync_directory(directory));
    return target;
}

/// What stands behind the last commit is cut off, so that the next start does not find it again.
Result<void> cut_log(File& file, const LogScan& scan) {
    const std::uint64_t kept = scan.has_header ? physical_of(scan.committed_frames + 1ull) : 0;
    RF_CHECK(file.truncate(kept));
    return file.sync();
}

struct Examined {
    LogScan scan;
    std::string report;
};

Result<Examined> examine_log(Disk& disk, const Options& options, const std::string& database,
                             crypto::PageSealer& sealer) {
    const std::string path = database + "-wal";
    RF_TRY(const bool exists, disk.exists(path));
    if (!exists) return Examined{};
    RF_TRY(std::unique_ptr<File> file, disk.open(path, OpenMode::kReadWrite));
    RF_TRY(const std::uint64_t size, file->size());
    if (size == 0) return Examined{};
    RF_CHECK(file->sync());
    file->drop_cache();
    Examined examined;
    RF_TRY(examined.scan, scan_log(*file, size, sealer));
    if (examined.scan.verdict == LogScan::Verdict::kFine) {
        if (examined.scan.unused) RF_CHECK(cut_log(*file, examined.scan));
        return examined;
    }
    RF_TRY(const std::string copy, copy_aside(disk, options.directory, path));
    if (examined.scan.verdict == LogScan::Verdict::kDamaged)
        return Error(Errc::kCorrupt,
                     fmt::format("the catalog's log {} is damaged: {}. Nothing was changed; a copy "
                                 "is in {}",
                                 path, examined.scan.report, copy));
    RF_CHECK(cut_log(*file, examined.scan));
    examined.report =
        fmt::format("{}; the log as it was found is in {}", examined.scan.report, copy);
    log::warning("catalog log: {}", examined.report);
    return examined;
}

/// A whole, empty, clean catalog at `path`, or nothing.
Result<void> create(Disk& disk, Random& random, crypto::SecretKey page_key, const Options& options,
                    const std::string& path) {
    const std::string fresh = path + ".new";
    RF_CHECK(remove_if_there(disk, fresh));
    RF_CHECK(remove_if_there(disk, fresh + "-wal"));
    {
        SqliteCatalog catalog(random, std::move(page_key));
        RF_CHECK(catalog.connect(disk, fresh, LogScan{}, options.cache_bytes));
        RF_CHECK(catalog.close());
    }
    RF_CHECK(remove_if_there(disk, fresh + "-wal"));
    RF_CHECK(disk.rename(fresh, path));
    RF_CHECK(disk.sync_directory(options.directory));
    // The directory may be as new as what is in it.
    const std::size_t slash = options.directory.rfind('/');
    return disk.sync_directory(slash == 0 ? "/" : options.directory.substr(0, slash));
}

Result<bool> create_if_absent(Disk& disk, Random& random, const crypto::SecretKey& page_key,
                              const Options& options, const std::string& path) {
    RF_TRY(const bool exists, disk.exists(path));
    if (exists) return false;
    RF_TRY(const bool log_exists, disk.exists(path + "-wal"));
    if (log_exists)
        return Error(Errc::kCorrupt, fmt::format("{} is missing, and its log is there", path));
    RF_CHECK(create(disk, random, page_key.clone(), options, path));
    return true;
}

}  // namespace

Result<OpenResult> open_catalog(Disk& disk, Random& random, crypto::SecretKey page_key,
                                const Options& options) {
    RF_CHECK(disk.make_directory(options.directory));
    const std::string path = options.directory + "/catalog.db";
    RF_TRY(const bool created, create_if_absent(disk, random, page_key, options, path));
    auto catalog = std::make_unique<SqliteCatalog>(random, std::move(page_key));
    RF_TRY(Examined examined, examine_log(disk, options, path, catalog->sealer()));
    RF_CHECK(catalog->connect(disk, path, examined.scan, options.cache_bytes));
    // The log's own name must be as durable as what is about to be promised through it.
    RF_CHECK(disk.sync_directory(options.directory));
    RF_TRY(const bool clean, catalog->begin_service(examined.scan));
    return OpenResult{
        .catalog = std::move(catalog),
        .opened = {.created = created, .clean = clean, .log_report = std::move(examined.report)}};
}

}  // namespace reelfs::catalog
