// The catalog: all metadata, in one SQLite database whose pages are sealed, over one connection.
//
// write() runs a function inside one transaction and commits it at once (synchronous=NORMAL: in the
// kernel, so it survives kill -9 but not power loss); sync() makes everything committed before the
// call durable, and is shared by all who wait (group commit). `publish`, if given, runs after a
// successful COMMIT and before the connection lock is released: publication to memory happens in
// commit order. It must not block, call the catalog, or take a lock that is ever held around a call
// of the catalog.
//
// Functions given to read() and write() must not block on I/O of their own nor on locks held by
// callers of the catalog. Any Error they return rolls the transaction back and is returned as it
// is. Rows read are copies. Steps return at most limits::catalog_step_rows_max rows; no statement
// stays open between steps.
//
// A failed WAL or database write or sync makes the catalog read-only until restart: write() and
// sync() answer kReadOnly with the first failure's words; reads go on. kNoSpace at a write is not
// such a failure: the transaction is rolled back, and the catalog goes on. SQLITE_BUSY cannot
// happen: the store's lock file keeps others out. A page that fails authentication is kCorrupt for
// the operation that needed it. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/disk.h"
#include "reelfs/base/random.h"
#include "reelfs/base/result.h"
#include "reelfs/catalog/rows.h"
#include "reelfs/crypto/page_seal.h"
#include "reelfs/model/block_refs.h"

namespace reelfs::catalog {

class Reader {
  public:
    virtual ~Reader() = default;

    virtual Result<std::optional<NodeRow>> node(NodeId node) = 0;
    virtual Result<std::optional<NodeId>> entry(NodeId parent, std::string_view name) = 0;
    /// Entries with names greater than `after` (bytewise), in order, at most `limit`. Start with
    /// "".
    virtual Result<std::vector<EntryRow>> entries_after(NodeId parent, std::string_view after,
                                                        int limit) = 0;
    virtual Result<std::vector<EntryWithNode>> entries_with_nodes_after(NodeId parent,
                                                                        std::string_view after,
                                                                        int limit) = 0;
    virtual Result<bool> has_entries(NodeId parent) = 0;
    /// Slices of a file whose file_offset is >= `from`, in order, with their extents.
    virtual Result<std::vector<SliceRow>> slices(NodeId node, std::uint64_t from, int limit) = 0;
    virtual Result<std::optional<ExtentRow>> extent(ExtentId extent) = 0;
    /// All extents located in a pack at or beyond `from` (an offset in the pack), by offset. The
    /// node is the one that insert_slice() last gave the extent to, the file offset the lowest
    /// given there: exact for extents not yet synced, which are never shared nor cut, and without
    /// meaning for shared ones.
    struct PackExtent {
        ExtentRow extent;
        NodeId node;
        std::uint64_t file_offset = 0;
    };
    virtual Result<std::vector<PackExtent>> extents_in_pack(const PackId& pack, std::uint64_t from,
                                                            int limit) = 0;
    /// How often slices touch a shared extent's blocks: the runs that overlap or adjoin [from, to).
    virtual Result<std::vector<RefRun>> shares(ExtentId extent, std::uint32_t from,
                                               std::uint32_t to) = 0;
    virtual Result<bool> has_shares(ExtentId extent) = 0;
    /// The sealed bytes of an inline extent.
    virtual Result<std::vector<std::byte>> inline_bytes(ExtentId extent) = 0;

    // Walks over everything, for audits: what comes behind, in order.
    struct NodeSlice {
        NodeId node;
        Slice slice;
    };
    /// `file_offset` -1: from the node's first.
    virtual Result<std::vector<NodeSlice>> slices_after(NodeId node, std::int64_t file_offset,
                                                        int limit) = 0;
    /// By id; node and file_offset as for extents_in_pack(), and 0 for those in the catalog itself.
    virtual Result<std::vector<PackExtent>> extents_after(ExtentId after, int limit) = 0;
    struct ExtentRun {
        ExtentId extent;
        RefRun run;
    };
    /// `first` -1: from the extent's first.
    virtual Result<std::vector<ExtentRun>> shares_after(ExtentId extent, std::int64_t first,
                                                        int limit) = 0;

    virtual Result<std::optional<std::vector<std::byte>>> xattr(NodeId node,
                                                                std::string_view name) = 0;
    virtual Result<std::vector<std::string>> xattr_names(NodeId node) = 0;

    virtual Result<std::optional<ContainerRow>> container(ContainerId container) = 0;
    virtual Result<std::vector<ContainerRow>> containers() = 0;
    /// By container and kind, behind (container, kind), of all containers. Start with kNoContainer
    /// and "".
    virtual Result<std::vector<DocumentRow>> documents_after(ContainerId container,
                                                             std::string_view kind, int limit) = 0;
    /// What a container holds now, as this transaction has left it. Only the first call after a
    /// stop that was not clean counts, under the lock.
    virtual Result<Usage> usage(ContainerId container) = 0;
    virtual Result<std::vector<PackRow>> packs() = 0;
    virtual Result<std::optional<PackRow>> pack(const PackId& pack) = 0;
    virtual Result<std::vector<FreedRow>> freed(int limit) = 0;
    /// The length of all freed ranges.
    virtual Result<std::uint64_t> freed_bytes() = 0;
    /// Nodes with links == 0, by id, greater than `after`.
    virtual Result<std::vector<NodeId>> orphans(NodeId after, int limit) = 0;
    /// Every node, by id, greater than `after`.
    virtual Result<std::vector<NodeRow>> nodes_after(NodeId after, int limit) = 0;
    virtual Result<std::optional<std::string>> setting(std::string_view name) = 0;
    /// Users by name, tokens by id, each greater than `after`. Start with "".
    virtual Result<std::vector<UserRow>> users_after(std::string_view after, int limit) = 0;
    virtual Result<std::vector<TokenRow>> tokens_after(std::string_view after, int limit) = 0;
    /// The name of a directory in its parent. By an index: no listing is read.
    virtual Result<std::optional<std::string>> directory_name(NodeId directory) = 0;
    virtual Result<std::optional<ExpiryRow>> expiry(NodeId node) = 0;
    /// Those due at or before `now`, the earliest first.
    virtual Result<std::vector<ExpiryRow>> expiries_due(Timestamp now, int limit) = 0;
    virtual Result<std::optional<Timestamp>> next_expiry() = 0;
    /// Rows by kind, for status (kept as they change; only the first call after a stop that was not
    /// clean counts them, under the lock) and for bounds in tests.
    struct Counts {
        std::uint64_t nodes = 0, extents = 0, packs = 0;
    };
    virtual Result<Counts> counts() = 0;
};

class Writer : public Reader {
  public:
    virtual Result<void> insert_node(const NodeRow& row) = 0;
    virtual Result<void> update_node(const NodeRow& row) = 0;  // kStale when the row is gone
    /// And its xattrs and its place in the expiry queue. kNotEmpty while it has slices, kStale when
    /// the row is gone.
    virtual Result<void> delete_node(NodeId node) = 0;
    virtual Result<void> insert_entry(NodeId parent, const EntryRow& row) = 0;  // kExists
    virtual Result<void> replace_entry(NodeId parent, const EntryRow& row) = 0;
    virtual Result<void> delete_entry(NodeId parent, std::string_view name) = 0;  // kNotFound
    /// After insert_extent() of the extent it names.
    virtual Result<void> insert_slice(NodeId node, const Slice& slice) = 0;
    virtual Result<void> delete_slice(NodeId node, std::uint64_t file_offset) = 0;
    /// `inline_bytes` exactly when row.location has no pack. Adds to the pack's live bytes.
    virtual Result<void> insert_extent(const ExtentRow& row, std::optional<Bytes> inline_bytes) = 0;
    /// Takes the row away (not its room: insert_freed says what to give back). No block of it is
    /// counted any more.
    virtual Result<void> delete_extent(ExtentId extent) = 0;
    /// An unshared extent becomes a shared one; `runs` counts its slices.
    virtual Result<void> share_extent(ExtentId extent, std::span<const RefRun> runs) = 0;
    /// `before` as shares() gave them, `after` what they are to be.
    virtual Result<void> replace_shares(ExtentId extent, std::span<const RefRun> before,
                                        std::span<const RefRun> after) = 0;
    virtual Result<void> set_xattr(NodeId node, std::string_view name, Bytes value) = 0;
    virtual Result<void> delete_xattr(NodeId node, std::string_view name) = 0;  // kNoAttribute
    virtual Result<void> insert_container(const ContainerRow& row) = 0;
    virtual Result<void> set_quota(ContainerId container, const Quota& quota) = 0;  // kNotFound
    /// And its documents.
    virtual Result<void> delete_container(ContainerId container) = 0;
    /// In place of the one of its kind.
    virtual Result<void> put_document(const DocumentRow& row) = 0;
    virtual Result<void> delete_document(ContainerId container, std::string_view kind) = 0;
    virtual Result<void> insert_pack(const PackRow& row) = 0;
    virtual Result<void> update_pack(const PackId& pack, PackState state,
                                     std::uint64_t durable_end) = 0;
    /// And its freed ranges. kNotEmpty while an extent is in it.
    virtual Result<void> delete_pack(const PackId& pack) = 0;
    /// Queues a range to be given back once this transaction is durable; takes it off the pack's
    /// live bytes.
    virtual Result<void> insert_freed(const FreedRange& range) = 0;
    virtual Result<void> delete_freed(std::uint64_t row) = 0;
    /// For a repair: what the rows add up to.
    virtual Result<void> set_live_bytes(const PackId& pack, std::int64_t bytes) = 0;
    /// For a repair: what usage() is to say.
    virtual Result<void> set_usage(ContainerId container, const Usage& usage) = 0;
    virtual Result<void> set_setting(std::string_view name, std::string_view value) = 0;
    virtual Result<void> insert_user(const UserRow& row) = 0;     // kExists
    virtual Result<void> update_user(const UserRow& row) = 0;     // kNotFound
    virtual Result<void> delete_user(std::string_view name) = 0;  // kNotFound
    virtual Result<void> insert_token(const TokenRow& row) = 0;
    virtual Result<void> delete_token(std::string_view id) = 0;  // kNotFound
    virtual Result<void> put_expiry(const ExpiryRow& row) = 0;   // one a node
    virtual Result<void> delete_expiry(NodeId node) = 0;         // also when there is none
};

/// Something that should not be in a catalog; see Catalog::audit().
struct AuditFinding {
    std::string text;
    std::optional<NodeId> node;  // the file or folder it is about
    std::uint64_t more = 0;      // of the same kind, not listed
    bool repairable = false;     // audit(kRepair) puts it right
    bool repaired = false;
    bool of_trees = false;  // rows may be missing or doubled: no rule was looked at, nor is any to
                            // be, and least of all one that repairs
};
enum class AuditMode { kReport, kRepair };
/// Asked often during work that takes long, which ends with the error that this returns.
using GoOn = std::function<Result<void>()>;

struct Options {
    std::string directory;  // holds catalog.db and catalog.db-wal; made if absent
    std::size_t cache_bytes = 32u << 20;
};

struct Opened {
    bool created = false;
    bool clean = false;  // the last stop called close(); otherwise recovery must run before serving
    /// What the log looked like, when it did not end cleanly; for the log and `reelfs status`.
    /// Empty otherwise.
    std::string log_report;
};

struct CatalogStats {
    std::uint64_t transactions = 0, reads = 0, syncs = 0, checkpoints = 0;
    std::uint64_t checkpoint_ns_last = 0;
    std::uint64_t log_bytes = 0;  // written since the last checkpoint
    bool in_snapshot = false;     // checkpoint() would do nothing now
};

enum class Lease { kNodeIds, kExtentIds, kContainerIds };

class Catalog {
  public:
    virtual ~Catalog() = default;

    virtual Result<void> read(const std::function<Result<void>(Reader&)>& body) = 0;
    virtual Result<void> write(const std::function<Result<void>(Writer&)>& body,
                               const std::function<void()>& publish = {}) = 0;
    /// Where a name leads, if that is in memory: as of the last commit, without waiting for the
    /// connection. Nothing says nothing about whether the name exists.
    virtual std::optional<NodeId> known_entry(NodeId parent, std::string_view name) = 0;
    /// What a container holds as of the last commit, without waiting for the connection; nothing
    /// when nobody has counted yet: ask Reader::usage().
    virtual std::optional<Usage> known_usage(ContainerId container) = 0;
    /// Everything committed before this call is durable on success.
    virtual Result<void> sync() = 0;
    /// Reserves `count` ids, never handed out before, durably; returns the first. From 2 for nodes,
    /// 1 otherwise.
    virtual Result<std::uint64_t> lease(Lease kind, std::uint64_t count) = 0;
    /// Moves the log into the database. The caller has made every pack durable that committed rows
    /// name (a barrier) first. Does nothing while a snapshot is copied.
    virtual Result<void> checkpoint() = 0;
    /// Checkpoints, marks the stop as clean, and closes. The caller has run a barrier. No call may
    /// follow.
    virtual Result<void> close() = 0;
    virtual CatalogStats stats() const = 0;
    virtual bool read_only() const = 0;

    /// For a backup. `at_point` sees the rows as of one commit; what it sees is in the two files as
    /// they are while `copy` runs, no matter what is committed meanwhile, since checkpoint() does
    /// nothing before it returns. `copy` may block.
    struct Files {
        std::string database, log;
        std::uint64_t database_bytes = 0;
        std::uint64_t log_bytes = 0;  // from its beginning; what is behind came later
    };
    virtual Result<void> snapshot(const std::function<Result<void>(Reader&)>& at_point,
                                  const std::function<Result<void>(const Files&)>& copy) = 0;

    // For a check of a catalog that nobody else uses: these hold the connection for as long as they
    // take.
    /// Moves the log into the database, then opens every page of it: those that are damaged or
    /// cannot be read, in words.
    virtual Result<std::vector<std::string>> damaged_pages(const GoOn& go_on) = 0;
    /// SQLite's own check of its trees, then every row against the others, but for the account of
    /// content (core/audit.h). At most 100 findings of each kind. kRepair: one transaction.
    virtual Result<std::vector<AuditFinding>> audit(AuditMode mode, Timestamp now,
                                                    const GoOn& go_on) = 0;
    virtual Result<std::vector<FreedRow>> all_freed() = 0;
    /// Names that lead to these nodes, from the root; at most one for each.
    virtual Result<std::map<NodeId, std::string>> paths_of(const std::set<NodeId>& nodes,
                                                           const GoOn& go_on) = 0;
};

struct OpenResult {
    std::unique_ptr<Catalog> catalog;
    Opened opened;
};

/// Opens or creates. kCorrupt when durable commits are damaged (the log is copied aside first, the
/// error says where), kNewerFormat, kWrongKey never (a wrong key is found at the keyring). `disk`
/// and `random` outlive it.
Result<OpenResult> open_catalog(Disk& disk, Random& random, crypto::SecretKey page_key,
                                const Options& options);

}  // namespace reelfs::catalog
