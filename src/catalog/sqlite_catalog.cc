// Transactions, barriers and checkpoints, see sqlite_catalog.h.
#include "catalog/sqlite_catalog.h"

#include <limits>

#include "catalog/log_file.h"
#include "catalog/log_layout.h"
#include "catalog/schema.h"

namespace reelfs::catalog {

SqliteCatalog::SqliteCatalog(Random& random, crypto::SecretKey page_key)
    : random_(random), sealer_(std::move(page_key), random) {}

SqliteCatalog::~SqliteCatalog() {
    MutexLock lock(connection_);
    session_.reset();
    database_.reset();
    vfs_.reset();
}

Result<void> SqliteCatalog::connect(Disk& disk, const std::string& database_path,
                                    const LogScan& found, std::size_t cache_bytes) {
    MutexLock lock(connection_);
    disk_ = &disk;
    vfs_ = std::make_unique<SealingVfs>(SealingVfs::Parts{.disk = disk,
                                                          .random = random_,
                                                          .sealer = sealer_,
                                                          .failure = failure_,
                                                          .durability = durability_},
                                        database_path, found);
    RF_TRY(database_, Database::open(*vfs_, cache_bytes));
    RF_CHECK(migrate(*database_));
    session_ = std::make_unique<Session>(*database_, known_entries_, known_usage_);
    return done();
}

// The flag must be durable in the database file before anything is written that a clean stop would
// promise not to be there. The log stays in use from here to close(), so a database that is not
// marked clean and has no log has lost it.
Result<bool> SqliteCatalog::begin_service(const LogScan& found) {
    MutexLock lock(connection_);
    RF_TRY(const std::int64_t flag, session_->counters().value("clean"));
    if (flag == 0) {
        if (!found.has_header)
            return Error(Errc::kCorrupt,
                         "the catalog was in use when it stopped, and its log is missing or empty");
        return false;
    }
    RF_CHECK(session_->load_counts());
    RF_CHECK(transact([](Session& session) { return session.counters().set("clean", 0); }));
    RF_CHECK(move_log(Database::Log::kKeep));
    return true;
}

Result<void> SqliteCatalog::read(const std::function<Result<void>(Reader&)>& body) {
    MutexLock lock(connection_);
    reads_.fetch_add(1, std::memory_order_relaxed);
    return body(*session_);
}

Result<void> SqliteCatalog::write(const std::function<Result<void>(Writer&)>& body,
                                  const std::function<void()>& publish) {
    MutexLock lock(connection_);
    RF_CHECK(transact([&body](Session& session) { return body(session); }));
    if (publish) publish();
    return done();
}

Result<void> SqliteCatalog::transact(const std::function<Result<void>(Session&)>& body) {
    if (failure_.failed()) return failure_.error();
    struct Ending {
        Session& session;
        const SealingVfs& vfs;
        bool committed = false;
        ~Ending() {
            session.end_transaction(committed);
            if (!committed && vfs.log() != nullptr) vfs.log()->abandon();
        }
    } ending{.session = *session_, .vfs = *vfs_};
    session_->begin_transaction();
    Transaction transaction(*database_);
    RF_CHECK(transaction.begin(session_->begin_statement()));
    RF_CHECK(body(*session_));
    RF_CHECK(transaction.commit(session_->commit_statement()));
    ending.committed = true;
    restart_due_ = false;
    transactions_.fetch_add(1, std::memory_order_relaxed);
    vfs_->log()->settle();
    const std::uint32_t frames = vfs_->log()->commit_frame();
    durability_.note_commit(frames);
    log_bytes_.store(std::uint64_t{frames} * kFrameBytes, std::memory_order_relaxed);
    return done();
}

Result<void> SqliteCatalog::sync() {
    return durability_.sync();
}

Result<std::uint64_t> SqliteCatalog::lease(Lease kind, std::uint64_t count) {
    const char* name = kind == Lease::kNodeIds     ? "next_node"
                       : kind == Lease::kExtentIds ? "next_extent"
                                                   : "next_container";
    std::int64_t first = 0;
    {
        MutexLock lock(connection_);
        RF_CHECK(transact([&](Session& session) -> Result<void> {
            RF_TRY(first, session.counters().value(name));
            const auto room =
                static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() - first);
            if (count > room) return Error(Errc::kRange, "no ids are left");
            return session.counters().set(name, first + static_cast<std::int64_t>(count));
        }));
    }
    RF_CHECK(durability_.sync());
    return static_cast<std::uint64_t>(first);
}

Result<void> SqliteCatalog::checkpoint() {
    // Most of the log is synced here, while others still use the connection.
    RF_CHECK(durability_.sync());
    MutexLock lock(connection_);
    if (failure_.failed()) return failure_.error();
    if (snapshots_ > 0) return done();  // the next one will do; meanwhile the log grows
    return move_log(Database::Log::kKeep);
}

Result<void> SqliteCatalog::snapshot(const std::function<Result<void>(Reader&)>& at_point,
                                     const std::function<Result<void>(const Files&)>& copy) {
    Files files;
    {
        MutexLock lock(connection_);
        if (restart_due_) RF_CHECK(restart_log());  // not under whoever copies it
        RF_CHECK(at_point(*session_));
        files.database = vfs_->database_path();
        files.log = vfs_->log_path();
        files.log_bytes = physical_of(std::uint64_t{vfs_->log()->commit_frame()} + 1);
        ++snapshots_;
    }
    const auto copied = [&]() -> Result<void> {
        RF_TRY(auto database, disk_->open(files.database, OpenMode::kRead));
        RF_TRY(files.database_bytes, database->size());
        return copy(files);
    }();
    MutexLock lock(connection_);
    --snapshots_;
    return copied;
}

// SQLite syncs the log, writes the pages, syncs the database; the next transaction restarts the log
// and syncs its header. That transaction is made here, so that no caller's commit waits for a sync.
Result<void> SqliteCatalog::move_log(Database::Log log) {
    const std::int64_t begin = clock_.monotonic_ns();
    RF_CHECK(database_->checkpoint(log));
    if (log == Database::Log::kKeep) {
        restart_due_ = true;
        RF_CHECK(restart_log());
    }
    checkpoints_.fetch_add(1, std::memory_order_relaxed);
    checkpoint_ns_last_.store(static_cast<std::uint64_t>(clock_.monotonic_ns() - begin),
                              std::memory_order_relaxed);
    return done();
}

Result<void> SqliteCatalog::restart_log() {
    return transact([](Session& session) -> Result<void> {
        RF_TRY(const std::int64_t count, session.counters().value("checkpoints"));
        return session.counters().set("checkpoints", count + 1);
    });
}

Result<void> SqliteCatalog::close() {
    MutexLock lock(connection_);
    auto last_words = [](Session& session) -> Result<void> {
        RF_CHECK(session.store_counts());
        return session.counters().set("clean", 1);
    };
    RF_CHECK(transact(last_words));
    RF_CHECK(move_log(Database::Log::kEmpty));
    RF_CHECK(durability_.sync_now());
    session_.reset();
    database_.reset();
    return done();
}

CatalogStats SqliteCatalog::stats() const {
    return {.transactions = transactions_.load(std::memory_order_relaxed),
            .reads = reads_.load(std::memory_order_relaxed),
            .syncs = durability_.syncs(),
            .checkpoints = checkpoints_.load(std::memory_order_relaxed),
            .checkpoint_ns_last = checkpoint_ns_last_.load(std::memory_order_relaxed),
            .log_bytes = log_bytes_.load(std::memory_order_relaxed),
            .in_snapshot = snapshots_.load(std::memory_order_relaxed) > 0};
}

}  // namespace reelfs::catalog
