// SQLite as owned types: a connection, a prepared statement, one use of a statement, a transaction.
//
// Statements are members of the class that uses them, prepared at their first use and then kept; a
// Query is one use, and resets the statement when it goes, so none stays open. SQLite codes become
// Errors in Database::error() only. Used under the catalog's connection lock; not thread-safe.
//
// A statement that fails inside a transaction may make SQLite roll all of it back. A body that
// ignores such an error must not go on outside: every Query checks that the transaction it began in
// is still there.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/sealing_vfs.h"
#include "reelfs/base/bytes.h"
#include "reelfs/base/result.h"
#include "reelfs/model/ids.h"

struct sqlite3;
struct sqlite3_stmt;

namespace reelfs::catalog {

class Statement;

class Database {
  public:
    /// Opens through `vfs`, which outlives it, with the settings all our connections have.
    static Result<std::unique_ptr<Database>> open(SealingVfs& vfs, std::size_t cache_bytes);
    /// Writes nothing: what a checkpoint did not move stays in the log.
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// Statements without parameters and rows, for schema and settings.
    Result<void> execute(const std::string& sql);
    Result<std::int64_t> integer(const char* sql);
    Error error(int code, std::string_view what);
    /// Prepares every statement that stands: an error is one that does not fit the tables.
    Result<void> prepare_all();
    sqlite3* handle() const { return handle_; }
    SealingVfs& vfs() const { return vfs_; }

    /// Moves all of the log into the database file. With `empty_log`, the log file is emptied too.
    enum class Log { kKeep, kEmpty };
    Result<void> checkpoint(Log log);

  private:
    friend class Transaction;
    friend class Query;
    friend class Statement;

    explicit Database(SealingVfs& vfs) : vfs_(vfs) {}
    Result<void> configure(std::size_t cache_bytes);

    SealingVfs& vfs_;
    sqlite3* handle_ = nullptr;
    bool in_transaction_ = false;
    std::vector<Statement*> statements_;  // all that stand
};

/// While it stands, a statement that takes long ends with kCancelled once `go_on` fails.
class Interruptible {
  public:
    Interruptible(Database& database, const std::function<Result<void>()>& go_on);
    ~Interruptible();
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;

  private:
    Database& database_;
};

class Statement {
  public:
    /// `sql` outlives it: a literal.
    Statement(Database& database, const char* sql);
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

  private:
    friend class Database;
    friend class Query;
    /// SQLite's code. Nothing to do from the second time on.
    int prepare();
    Error unprepared(int code);

    Database& database_;
    const char* sql_;
    sqlite3_stmt* handle_ = nullptr;
};

/// One use of a statement: binds its parameters in order, steps, resets. Text and bytes bound must
/// live as long as the Query.
class Query {
  public:
    template <class... Values>
    explicit Query(Statement& statement, const Values&... values) : statement_(statement) {
        note(statement.prepare());
        int index = 0;
        (bind(++index, values), ...);
    }
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    /// True when there is a row.
    Result<bool> step();
    /// Runs a statement without rows; the number of rows it changed.
    Result<int> run();

    std::int64_t integer(int column) const;
    template <std::integral Integer>
    Integer as(int column) const {
        return static_cast<Integer>(integer(column));
    }
    bool null(int column) const;
    /// Whose memory: SQLite's, until the next step.
    Bytes bytes(int column) const;
    std::string text(int column) const { return std::string(text_of(bytes(column))); }

  private:
    void bind_integer(int index, std::int64_t value);
    void bind_null(int index);
    void bind_bytes(int index, Bytes value);

    template <std::integral Integer>
    void bind(int index, Integer value) {
        bind_integer(index, static_cast<std::int64_t>(value));
    }
    void bind(int index, Bytes value) { bind_bytes(index, value); }
    void bind(int index, std::string_view value) { bind_bytes(index, bytes_of(value)); }
    void bind(int index, const std::string& value) { bind_bytes(index, bytes_of(value)); }
    template <class Tag, class Integer>
    void bind(int index, const Strong<Tag, Integer>& id) {
        bind_integer(index, static_cast<std::int64_t>(id.value()));
    }
    template <class Value>
    void bind(int index, const std::optional<Value>& value) {
        if (value)
            bind(index, *value);
        else
            bind_null(index);
    }
    void note(int code);

    Statement& statement_;
    int bind_code_ = 0;  // the first failure of preparing and binding
};

/// BEGIN IMMEDIATE; rolled back unless commit() succeeds.
class Transaction {
  public:
    explicit Transaction(Database& database) : database_(database) {}
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    Result<void> begin(Statement& begin);
    Result<void> commit(Statement& commit);

  private:
    Database& database_;
};

}  // namespace reelfs::catalog
