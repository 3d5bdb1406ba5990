// All statements on one connection, behind the Reader and Writer that bodies of transactions see.
// A thin switchboard: each call goes to the table that owns the statement. Counts rows as they come
// and go, so that counts() need not scan. Used under the connection's lock.
#pragma once

#include "catalog/access_table.h"
#include "catalog/container_table.h"
#include "catalog/counter_table.h"
#include "catalog/entry_cache.h"
#include "catalog/expiry_table.h"
#include "catalog/extent_table.h"
#include "catalog/node_table.h"
#include "catalog/usage_board.h"
#include "reelfs/catalog/catalog.h"

namespace reelfs::catalog {

class Session final : public Writer {
  public:
    Session(Database& database, EntryCache& known_entries, UsageBoard& known_usage);

    Result<std::optional<NodeRow>> node(NodeId node) override;
    Result<std::optional<NodeId>> entry(NodeId parent, std::string_view name) override;
    Result<std::vector<EntryRow>> entries_after(NodeId parent, std::string_view after,
                                                int limit) override;
    Result<std::vector<EntryWithNode>> entries_with_nodes_after(NodeId parent,
                                                                std::string_view after,
                                                                int limit) override;
    Result<bool> has_entries(NodeId parent) override;
    Result<std::vector<SliceRow>> slices(NodeId node, std::uint64_t from, int limit) override;
    Result<std::optional<ExtentRow>> extent(ExtentId extent) override;
    Result<std::vector<PackExtent>> extents_in_pack(const PackId& pack, std::uint64_t from,
                                                    int limit) override;
    Result<std::vector<RefRun>> shares(ExtentId extent, std::uint32_t from,
                                       std::uint32_t to) override;
    Result<bool> has_shares(ExtentId extent) override;
    Result<std::vector<std::byte>> inline_bytes(ExtentId extent) override;
    Result<std::vector<NodeSlice>> slices_after(NodeId node, std::int64_t file_offset,
                                                int limit) override;
    Result<std::vector<PackExtent>> extents_after(ExtentId after, int limit) override;
    Result<std::vector<ExtentRun>> shares_after(ExtentId extent, std::int64_t first,
                                                int limit) override;
    Result<std::optional<std::vector<std::byte>>> xattr(NodeId node,
                                                        std::string_view name) override;
    Result<std::vector<std::string>> xattr_names(NodeId node) override;
    Result<std::optional<ContainerRow>> container(ContainerId container) override;
    Result<std::vector<ContainerRow>> containers() override;
    Result<std::vector<DocumentRow>> documents_after(ContainerId container, std::string_view kind,
                                                     int limit) override;
    Result<Usage> usage(ContainerId container) override;
    Result<std::vector<PackRow>> packs() override;
    Result<std::optional<PackRow>> pack(const PackId& pack) override;
    Result<std::vector<FreedRow>> freed(int limit) override;
    Result<std::uint64_t> freed_bytes() override;
    Result<std::vector<NodeId>> orphans(NodeId after, int limit) override;
    Result<std::vector<NodeRow>> nodes_after(NodeId after, int limit) override;
    Result<std::optional<std::string>> setting(std::string_view name) override;
    Result<std::vector<UserRow>> users_after(std::string_view after, int limit) override;
    Result<std::vector<TokenRow>> tokens_after(std::string_view after, int limit) override;
    Result<std::optional<std::string>> directory_name(NodeId directory) override;
    Result<std::optional<ExpiryRow>> expiry(NodeId node) override;
    Result<std::vector<ExpiryRow>> expiries_due(Timestamp now, int limit) override;
    Result<std::optional<Timestamp>> next_expiry() override;
    Result<Counts> counts() override;

    Result<void> insert_node(const NodeRow& row) override;
    Result<void> update_node(const NodeRow& row) override;
    Result<void> delete_node(NodeId node) override;
    Result<void> insert_entry(NodeId parent, const EntryRow& row) override;
    Result<void> replace_entry(NodeId parent, const EntryRow& row) override;
    Result<void> delete_entry(NodeId parent, std::string_view name) override;
    Result<void> insert_slice(NodeId node, const Slice& slice) override;
    Result<void> delete_slice(NodeId node, std::uint64_t file_offset) override;
    Result<void> insert_extent(const ExtentRow& row, std::optional<Bytes> inline_bytes) override;
    Result<void> delete_extent(ExtentId extent) override;
    Result<void> share_extent(ExtentId extent, std::span<const RefRun> runs) override;
    Result<void> replace_shares(ExtentId extent, std::span<const RefRun> before,
                                std::span<const RefRun> after) override;
    Result<void> set_xattr(NodeId node, std::string_view name, Bytes value) override;
    Result<void> delete_xattr(NodeId node, std::string_view name) override;
    Result<void> insert_container(const ContainerRow& row) override;
    Result<void> set_quota(ContainerId container, const Quota& quota) override;
    Result<void> delete_container(ContainerId container) override;
    Result<void> put_document(const DocumentRow& row) override;
    Result<void> delete_document(ContainerId container, std::string_view kind) override;
    Result<void> insert_pack(const PackRow& row) override;
    Result<void> update_pack(const PackId& pack, PackState state,
                             std::uint64_t durable_end) override;
    Result<void> delete_pack(const PackId& pack) override;
    Result<void> insert_freed(const FreedRange& range) override;
    Result<void> delete_freed(std::uint64_t row) override;
    Result<void> set_live_bytes(const PackId& pack, std::int64_t bytes) override;
    Result<void> set_usage(ContainerId container, const Usage& wanted) override;
    Result<void> set_setting(std::string_view name, std::string_view value) override;
    Result<void> insert_user(const UserRow& row) override;
    Result<void> update_user(const UserRow& row) override;
    Result<void> delete_user(std::string_view name) override;
    Result<void> insert_token(const TokenRow& row) override;
    Result<void> delete_token(std::string_view id) override;
    Result<void> put_expiry(const ExpiryRow& row) override;
    Result<void> delete_expiry(NodeId node) override;

    CounterTable& counters() { return counters_; }
    /// Takes the counts that close() left. Only after a clean stop; otherwise the first counts()
    /// counts.
    Result<void> load_counts();
    Result<void> store_counts();
    Result<std::vector<FreedRow>> all_freed() { return packs_.freed(-1); }
    /// By scanning, and so from now on.
    Result<Counts> count_again() {
        counts_.reset();
        return counts();
    }
    void begin_transaction() { in_transaction_ = true; }
    /// What the transaction changed in counts is kept or forgotten; entries it touched are no
    /// longer known.
    void end_transaction(bool committed);

    Statement& begin_statement() { return begin_; }
    Statement& commit_statement() { return commit_; }

  private:
    struct TouchedEntry {
        NodeId parent;
        std::string name;
    };
    struct Change {
        std::int64_t nodes = 0, extents = 0, packs = 0;
    };

    void weigh(const NodeTable::Weight& weight, int sign);

    Statement begin_;
    Statement commit_;
    NodeTable nodes_;
    EntryTable entries_;
    XattrTable xattrs_;
    PackTable packs_;
    ExtentTable extents_;
    ContainerTable containers_;
    DocumentTable documents_;
    CounterTable counters_;
    SettingTable settings_;
    UsageTable usages_;
    UserTable users_;
    TokenTable tokens_;
    ExpiryTable expiries_;
    std::optional<Counts> counts_;  // as of the last commit, when known
    Change change_;                 // by the transaction that runs
    bool in_transaction_ = false;
    std::vector<TouchedEntry> touched_;  // by the transaction that runs
    EntryCache& known_entries_;
    UsageBoard& known_usage_;
    UsageRows usage_change_;  // by the transaction that runs
};

}  // namespace reelfs::catalog
