// The Catalog over one SQLite connection. See catalog.h for the contract, open.cc for how one comes
// to be.
//
// Lock order: connection_ > Durability's > Failure's; connection_ > EntryCache's
// and UsageBoard's. sync() holds none of them while it syncs.
#pragma once

#include <atomic>
#include <memory>

#include "catalog/database.h"
#include "catalog/durability.h"
#include "catalog/sealing_vfs.h"
#include "catalog/session.h"
#include "reelfs/base/clock.h"
#include "reelfs/base/mutex.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/crypto/page_seal.h"
#include "reelfs/model/limits.h"

namespace reelfs::catalog {

class SqliteCatalog final : public Catalog {
  public:
    SqliteCatalog(Random& random, crypto::SecretKey page_key);
    ~SqliteCatalog() override;

    /// Opens the connection over a log in which `found` was found, and brings the schema up to
    /// date. Once, before anything else.
    Result<void> connect(Disk& disk, const std::string& database_path, const LogScan& found,
                         std::size_t cache_bytes);
    /// True when the last stop was clean; durably not clean from then on.
    Result<bool> begin_service(const LogScan& found);

    Result<void> read(const std::function<Result<void>(Reader&)>& body) override;
    Result<void> write(const std::function<Result<void>(Writer&)>& body,
                       const std::function<void()>& publish) override;
    Result<void> sync() override;
    Result<std::uint64_t> lease(Lease kind, std::uint64_t count) override;
    Result<void> checkpoint() override;
    Result<void> close() override;
    std::optional<NodeId> known_entry(NodeId parent, std::string_view name) override {
        return known_entries_.find(parent, name);
    }
    std::optional<Usage> known_usage(ContainerId container) override {
        auto row = known_usage_.find(container);
        return row ? std::optional(usage_of(*row)) : std::nullopt;
    }
    CatalogStats stats() const override;
    bool read_only() const override { return failure_.failed(); }

    Result<void> snapshot(const std::function<Result<void>(Reader&)>& at_point,
                          const std::function<Result<void>(const Files&)>& copy) override;

    // audit.cc
    Result<std::vector<std::string>> damaged_pages(const GoOn& go_on) override;
    Result<std::vector<AuditFinding>> audit(AuditMode mode, Timestamp now,
                                            const GoOn& go_on) override;
    Result<std::vector<FreedRow>> all_freed() override;
    Result<std::map<NodeId, std::string>> paths_of(const std::set<NodeId>& nodes,
                                                   const GoOn& go_on) override;

    crypto::PageSealer& sealer() { return sealer_; }

  private:
    Result<void> transact(const std::function<Result<void>(Session&)>& body) REQUIRES(connection_);
    Result<void> move_log(Database::Log log) REQUIRES(connection_);
    Result<void> restart_log() REQUIRES(connection_);

    Disk* disk_ = nullptr;  // set by connect()
    // Lock themselves.
    Random& random_;
    crypto::PageSealer sealer_;
    Failure failure_;
    Durability durability_{failure_};
    const SystemClock clock_;
    EntryCache known_entries_{limits::entry_cache_entries_max};
    UsageBoard known_usage_;
    std::atomic<std::uint64_t> transactions_{0}, reads_{0}, checkpoints_{0};
    std::atomic<std::uint64_t> checkpoint_ns_last_{0}, log_bytes_{0};
    /// The next transaction writes the log from its beginning again.
    bool restart_due_ GUARDED_BY(connection_) = false;
    std::atomic<int> snapshots_{0};  // changed under connection_: the database stays as it is

    Mutex connection_;
    std::unique_ptr<SealingVfs> vfs_ GUARDED_BY(connection_);
    std::unique_ptr<Database> database_ GUARDED_BY(connection_);
    std::unique_ptr<Session> session_ GUARDED_BY(connection_);
};

}  // namespace reelfs::catalog
