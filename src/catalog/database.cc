// SQLite, owned; see database.h.
#include "catalog/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "catalog/log_layout.h"

namespace reelfs::catalog {

namespace {

Errc code_of(int extended) {
    switch (extended & 0xff) {
        case SQLITE_CONSTRAINT:
            return extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
                           extended == SQLITE_CONSTRAINT_UNIQUE ||
                           extended == SQLITE_CONSTRAINT_ROWID
                       ? Errc::kExists
                       : Errc::kInvalid;
        case SQLITE_FULL:
            return Errc::kNoSpace;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Errc::kCorrupt;
        case SQLITE_NOMEM:
            return Errc::kNoMemory;
        case SQLITE_TOOBIG:
            return Errc::kTooBig;
        case SQLITE_READONLY:
            return Errc::kReadOnly;
        case SQLITE_INTERRUPT:
            return Errc::kCancelled;
        case SQLITE_IOERR:
            return extended == SQLITE_IOERR_DATA    ? Errc::kCorrupt
                   : extended == SQLITE_IOERR_NOMEM ? Errc::kNoMemory
                                                    : Errc::kIo;
        default:
            return Errc::kIo;
    }
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(SealingVfs& vfs, std::size_t cache_bytes) {
    std::unique_ptr<Database> database(new Database(vfs));
    const int code = sqlite3_open_v2(
        vfs.database_path().c_str(), &database->handle_,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
        vfs.name());
    if (code != SQLITE_OK) return database->error(code, "open the catalog");
    RF_CHECK(database->configure(cache_bytes));
    return database;
}

Result<void> Database::configure(std::size_t cache_bytes) {
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    int reserve = static_cast<int>(kReservedBytes);
    const int code = sqlite3_file_control(handle_, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve);
    if (code != SQLITE_OK) return error(code, "set up the catalog");
    // locking_mode before the log is opened, so that no shared memory is asked for.
    RF_CHECK(
        execute(fmt::format("PRAGMA page_size={};"
                            "PRAGMA locking_mode=EXCLUSIVE;"
                            "PRAGMA temp_store=MEMORY;"
                            "PRAGMA mmap_size=0;"
                            "PRAGMA cell_size_check=ON;"
                            "PRAGMA trusted_schema=OFF;"
                            "PRAGMA synchronous=NORMAL;"
                            "PRAGMA secure_delete=OFF;"
                            "PRAGMA cache_size=-{};"
                            "PRAGMA wal_autocheckpoint=0;",
                            kPageBytes, cache_bytes / 1024)));
    RF_TRY(const std::int64_t objects, integer("SELECT count(*) FROM sqlite_schema"));
    if (objects > 0) return done();
    // New: it enters WAL mode without a rollback journal on disk.
    return execute("PRAGMA journal_mode=MEMORY; PRAGMA journal_mode=WAL;");
}

Database::~Database() {
    sqlite3_close(handle_);
}

Error Database::error(int code, std::string_view what) {
    const int extended = handle_ == nullptr ? code : sqlite3_extended_errcode(handle_);
    const int known = (extended & 0xff) == (code & 0xff) ? extended : code;
    std::optional<Error> cause = vfs_.take_last_error();
    return Error(code_of(known),
                 fmt::format("{}: {} (SQLite {})", what,
                             cause ? cause->message() : sqlite3_errstr(known), known));
}

Result<void> Database::execute(const std::string& sql) {
    const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return error(code, "catalog");
    return done();
}

Result<std::int64_t> Database::integer(const char* sql) {
    Statement statement(*this, sql);
    Query query(statement);
    RF_TRY(bool row, query.step());
    if (!row) return Error(Errc::kCorrupt, fmt::format("catalog: no answer to {}", sql));
    return query.integer(0);
}

Result<void> Database::prepare_all() {
    for (Statement* statement : statements_)
        if (const int code = statement->prepare(); code != SQLITE_OK)
            return statement->unprepared(code);
    return done();
}

Result<void> Database::checkpoint(Log log) {
    int frames = 0;
    int moved = 0;
    const int mode = log == Log::kEmpty ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    const int code = sqlite3_wal_checkpoint_v2(handle_, "main", mode, &frames, &moved);
    if (code != SQLITE_OK) return error(code, "checkpoint the catalog");
    if (frames != moved)
        return Error(Errc::kIo,
                     fmt::format("checkpoint the catalog: {} of {} frames moved", moved, frames));
    return done();
}

Interruptible::Interruptible(Database& database, const std::function<Result<void>()>& go_on)
    : database_(database) {
    constexpr int kSteps = 10'000;  // of SQLite's machine: a few hundred rows
    sqlite3_progress_handler(
        database.handle(), kSteps,
        [](void* asked) noexcept {
            return (*static_cast<const std::function<Result<void>()>*>(asked))() ? 0 : 1;
        },
        const_cast<std::function<Result<void>()>*>(&go_on));
}

Interruptible::~Interruptible() {
    sqlite3_progress_handler(database_.handle(), 0, nullptr, nullptr);
}

Statement::Statement(Database& database, const char* sql) : database_(database), sql_(sql) {
    database_.statements_.push_back(this);
}

Statement::~Statement() {
    std::erase(database_.statements_, this);
    sqlite3_finalize(handle_);
}

int Statement::prepare() {
    if (handle_ != nullptr) return SQLITE_OK;
    return sqlite3_prepare_v3(database_.handle(), sql_, -1, SQLITE_PREPARE_PERSISTENT, &handle_,
                              nullptr);
}

Error Statement::unprepared(int code) {
    return database_.error(code, fmt::format("prepare \"{}\"", sql_));
}

Query::~Query() {
    if (statement_.handle_ == nullptr) return;
    sqlite3_reset(statement_.handle_);
    sqlite3_clear_bindings(statement_.handle_);
}

Result<bool> Query::step() {
    Database& database = statement_.database_;
    if (statement_.handle_ == nullptr) return statement_.unprepared(bind_code_);
    if (bind_code_ != SQLITE_OK) return database.error(bind_code_, "catalog");
    if (database.in_transaction_ && sqlite3_get_autocommit(database.handle_) != 0)
        return Error(Errc::kIo, "catalog: the transaction was rolled back by an earlier failure");
    const int code = sqlite3_step(statement_.handle_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return database.error(code, "catalog");
}

Result<int> Query::run() {
    RF_TRY([[maybe_unused]] bool row, step());
    return sqlite3_changes(statement_.database_.handle_);
}

std::int64_t Query::integer(int column) const {
    return sqlite3_column_int64(statement_.handle_, column);
}

bool Query::null(int column) const {
    return sqlite3_column_type(statement_.handle_, column) == SQLITE_NULL;
}

Bytes Query::bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_.handle_, column);
    const int size = sqlite3_column_bytes(statement_.handle_, column);
    return {static_cast<const std::byte*>(data), static_cast<std::size_t>(size)};
}

void Query::note(int code) {
    if (bind_code_ == SQLITE_OK) bind_code_ = code;
}
void Query::bind_integer(int index, std::int64_t value) {
    note(sqlite3_bind_int64(statement_.handle_, index, value));
}
void Query::bind_null(int index) {
    note(sqlite3_bind_null(statement_.handle_, index));
}
void Query::bind_bytes(int index, Bytes value) {
    // A null pointer would bind NULL; an empty value is not NULL.
    const void* data = value.data() == nullptr ? "" : static_cast<const void*>(value.data());
    note(sqlite3_bind_blob64(statement_.handle_, index, data, value.size(), SQLITE_STATIC));
}

Result<void> Transaction::begin(Statement& begin) {
    Query query(begin);
    RF_TRY([[maybe_unused]] bool row, query.step());
    database_.in_transaction_ = true;
    return done();
}

Transaction::~Transaction() {
    database_.in_transaction_ = false;
    if (sqlite3_get_autocommit(database_.handle()) != 0) return;
    // Cannot fail in a way that matters: what is not committed is not in the log's valid part.
    sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> Transaction::commit(Statement& commit) {
    Query query(commit);
    RF_TRY([[maybe_unused]] bool row, query.step());
    return done();
}

}  // namespace reelfs::catalog
