// The switchboard, see session.h.
#include "catalog/session.h"

#include <algorithm>

#include "reelfs/model/limits.h"

namespace reelfs::catalog {

namespace {

int bounded(int limit) {
    return std::clamp(limit, 0, limits::catalog_step_rows_max);
}

}  // namespace

Session::Session(Database& database, EntryCache& known_entries, UsageBoard& known_usage)
    : begin_(database, "BEGIN IMMEDIATE"),
      commit_(database, "COMMIT"),
      nodes_(database),
      entries_(database),
      xattrs_(database),
      packs_(database),
      extents_(database, packs_),
      containers_(database),
      documents_(database),
      counters_(database),
      settings_(database),
      usages_(database),
      users_(database),
      tokens_(database),
      expiries_(database),
      known_entries_(known_entries),
      known_usage_(known_usage) {}

Result<std::optional<NodeRow>> Session::node(NodeId node) {
    return nodes_.find(node);
}
Result<std::optional<NodeId>> Session::entry(NodeId parent, std::string_view name) {
    RF_TRY(auto found, entries_.find(parent, name));
    // What a transaction sees may yet be rolled back.
    if (found && !in_transaction_) known_entries_.put(parent, name, *found);
    return found;
}
Result<std::vector<EntryRow>> Session::entries_after(NodeId parent, std::string_view after,
                                                     int limit) {
    return entries_.after(parent, after, bounded(limit));
}
Result<std::vector<EntryWithNode>> Session::entries_with_nodes_after(NodeId parent,
                                                                     std::string_view after,
                                                                     int limit) {
    return entries_.with_nodes_after(parent, after, bounded(limit));
}
Result<bool> Session::has_entries(NodeId parent) {
    return entries_.any(parent);
}
Result<std::vector<SliceRow>> Session::slices(NodeId node, std::uint64_t from, int limit) {
    return extents_.slices(node, from, bounded(limit));
}
Result<std::optional<ExtentRow>> Session::extent(ExtentId extent) {
    return extents_.find(extent);
}
Result<std::vector<Reader::PackExtent>> Session::extents_in_pack(const PackId& pack,
                                                                 std::uint64_t from, int limit) {
    return extents_.in_pack(pack, from, bounded(limit));
}
Result<std::vector<RefRun>> Session::shares(ExtentId extent, std::uint32_t from, std::uint32_t to) {
    return extents_.runs(extent, from, to);
}
Result<bool> Session::has_shares(ExtentId extent) {
    return extents_.any_run(extent);
}
Result<std::vector<Reader::NodeSlice>> Session::slices_after(NodeId node, std::int64_t file_offset,
                                                             int limit) {
    return extents_.slices_after(node, file_offset, bounded(limit));
}
Result<std::vector<Reader::PackExtent>> Session::extents_after(ExtentId after, int limit) {
    return extents_.after(after, bounded(limit));
}
Result<std::vector<Reader::ExtentRun>> Session::shares_after(ExtentId extent, std::int64_t first,
                                                             int limit) {
    return extents_.runs_after(extent, first, bounded(limit));
}
Result<std::vector<std::byte>> Session::inline_bytes(ExtentId extent) {
    return extents_.inline_bytes(extent);
}
Result<std::optional<std::vector<std::byte>>> Session::xattr(NodeId node, std::string_view name) {
    return xattrs_.find(node, name);
}
Result<std::vector<std::string>> Session::xattr_names(NodeId node) {
    return xattrs_.names(node);
}
Result<std::optional<ContainerRow>> Session::container(ContainerId container) {
    return containers_.find(container);
}
Result<std::vector<ContainerRow>> Session::containers() {
    return containers_.all();
}
Result<std::vector<DocumentRow>> Session::documents_after(ContainerId container,
                                                          std::string_view kind, int limit) {
    return documents_.after(container, kind, bounded(limit));
}
Result<std::vector<PackRow>> Session::packs() {
    return packs_.all();
}
Result<std::optional<PackRow>> Session::pack(const PackId& pack) {
    return packs_.find(pack);
}
Result<std::vector<FreedRow>> Session::freed(int limit) {
    return packs_.freed(bounded(limit));
}

Result<std::uint64_t> Session::freed_bytes() {
    return packs_.freed_bytes();
}
Result<std::vector<NodeId>> Session::orphans(NodeId after, int limit) {
    return nodes_.orphans(after, bounded(limit));
}
Result<std::vector<NodeRow>> Session::nodes_after(NodeId after, int limit) {
    return nodes_.after(after, bounded(limit));
}
Result<std::optional<std::string>> Session::setting(std::string_view name) {
    return settings_.find(name);
}
Result<std::vector<UserRow>> Session::users_after(std::string_view after, int limit) {
    return users_.after(after, bounded(limit));
}
Result<std::vector<TokenRow>> Session::tokens_after(std::string_view after, int limit) {
    return tokens_.after(after, bounded(limit));
}

Result<std::optional<std::string>> Session::directory_name(NodeId directory) {
    return entries_.directory_name(directory);
}
Result<std::optional<ExpiryRow>> Session::expiry(NodeId node) {
    return expiries_.find(node);
}
Result<std::vector<ExpiryRow>> Session::expiries_due(Timestamp now, int limit) {
    return expiries_.due(now, bounded(limit));
}
Result<std::optional<Timestamp>> Session::next_expiry() {
    return expiries_.next();
}

Result<Reader::Counts> Session::counts() {
    if (!counts_) {
        Counts counted;
        RF_TRY(counted.nodes, nodes_.count());
        RF_TRY(counted.extents, extents_.count());
        RF_TRY(counted.packs, packs_.count());
        // A transaction that runs may be rolled back: what it changed is not to be remembered.
        counts_ = Counts{
            .nodes = counted.nodes - static_cast<std::uint64_t>(change_.nodes),
            .extents = counted.extents - static_cast<std::uint64_t>(change_.extents),
            .packs = counted.packs - static_cast<std::uint64_t>(change_.packs),
        };
    }
    return Counts{.nodes = counts_->nodes + static_cast<std::uint64_t>(change_.nodes),
                  .extents = counts_->extents + static_cast<std::uint64_t>(change_.extents),
                  .packs = counts_->packs + static_cast<std::uint64_t>(change_.packs)};
}

void Session::end_transaction(bool committed) {
    if (committed && counts_) {
        counts_->nodes += static_cast<std::uint64_t>(change_.nodes);
        counts_->extents += static_cast<std::uint64_t>(change_.extents);
        counts_->packs += static_cast<std::uint64_t>(change_.packs);
    }
    change_ = {};
    if (committed && !usage_change_.empty()) known_usage_.add(usage_change_);
    usage_change_.clear();
    for (const TouchedEntry& entry : touched_) known_entries_.erase(entry.parent, entry.name);
    touched_.clear();
    in_transaction_ = false;
}

Result<void> Session::load_counts() {
    Counts loaded;
    RF_TRY(const std::int64_t nodes, counters_.value("nodes"));
    RF_TRY(const std::int64_t extents, counters_.value("extents"));
    RF_TRY(const std::int64_t packs, counters_.value("packs"));
    loaded.nodes = static_cast<std::uint64_t>(nodes);
    loaded.extents = static_cast<std::uint64_t>(extents);
    loaded.packs = static_cast<std::uint64_t>(packs);
    counts_ = loaded;
    RF_TRY(auto usage, usages_.load());
    if (usage) known_usage_.set(*std::move(usage));
    return done();
}

Result<void> Session::store_counts() {
    RF_TRY(const Counts now, counts());
    RF_CHECK(counters_.set("nodes", static_cast<std::int64_t>(now.nodes)));
    RF_CHECK(counters_.set("extents", static_cast<std::int64_t>(now.extents)));
    RF_TRY([[maybe_unused]] const Usage counted, usage(kNoContainer));
    RF_CHECK(usages_.store(known_usage_.all().value()));
    return counters_.set("packs", static_cast<std::int64_t>(now.packs));
}

void Session::weigh(const NodeTable::Weight& weight, int sign) {
    if (weight.bytes == 0 && weight.objects == 0) return;
    UsageChange& change = usage_change_[weight.container];
    change.bytes += sign * weight.bytes;
    change.objects += sign * weight.objects;
}

Result<Usage> Session::usage(ContainerId container) {
    auto row = known_usage_.find(container);
    if (!row) {
        RF_TRY(const auto weights, nodes_.weights());
        UsageRows rows;
        for (const NodeTable::Weight& weight : weights)
            rows[weight.container] = {weight.bytes, weight.objects};
        // A transaction that runs may be rolled back: what it changed is not to be remembered.
        for (const auto& [changed, change] : usage_change_) {
            rows[changed].bytes -= change.bytes;
            rows[changed].objects -= change.objects;
        }
        row = rows[container];
        known_usage_.set(std::move(rows));
    }
    if (auto change = usage_change_.find(container); change != usage_change_.end()) {
        row->bytes += change->second.bytes;
        row->objects += change->second.objects;
    }
    return usage_of(*row);
}

Result<void> Session::insert_node(const NodeRow& row) {
    RF_CHECK(nodes_.insert(row));
    weigh(NodeTable::weight_of(row), 1);
    ++change_.nodes;
    return done();
}
Result<void> Session::update_node(const NodeRow& row) {
    // A folder holds no bytes, and has links until it goes.
    if (row.attributes.is_directory() && row.attributes.links > 0) return nodes_.update(row);
    RF_TRY(const NodeTable::Weight before, nodes_.weight(row.attributes.node));
    RF_CHECK(nodes_.update(row));
    weigh(before, -1);
    weigh(NodeTable::weight_of(row), 1);
    return done();
}
Result<void> Session::delete_node(NodeId node) {
    RF_TRY(const NodeTable::Weight before, nodes_.weight(node));
    RF_CHECK(nodes_.remove(node));
    weigh(before, -1);
    --change_.nodes;
    RF_CHECK(expiries_.remove(node));
    return xattrs_.remove_all(node);
}
Result<void> Session::insert_entry(NodeId parent, const EntryRow& row) {
    touched_.push_back({parent, row.name});
    return entries_.insert(parent, row);
}
Result<void> Session::replace_entry(NodeId parent, const EntryRow& row) {
    touched_.push_back({parent, row.name});
    return entries_.replace(parent, row);
}
Result<void> Session::delete_entry(NodeId parent, std::string_view name) {
    touched_.push_back({parent, std::string(name)});
    return entries_.remove(parent, name);
}
Result<void> Session::insert_slice(NodeId node, const Slice& slice) {
    return extents_.insert_slice(node, slice);
}
Result<void> Session::delete_slice(NodeId node, std::uint64_t file_offset) {
    return extents_.remove_slice(node, file_offset);
}
Result<void> Session::insert_extent(const ExtentRow& row, std::optional<Bytes> inline_bytes) {
    RF_CHECK(extents_.insert(row, inline_bytes));
    ++change_.extents;
    return done();
}
Result<void> Session::delete_extent(ExtentId extent) {
    RF_CHECK(extents_.remove(extent));
    --change_.extents;
    return done();
}
Result<void> Session::share_extent(ExtentId extent, std::span<const RefRun> runs) {
    return extents_.share(extent, runs);
}
Result<void> Session::replace_shares(ExtentId extent, std::span<const RefRun> before,
                                     std::span<const RefRun> after) {
    return extents_.replace_runs(extent, before, after);
}
Result<void> Session::set_xattr(NodeId node, std::string_view name, Bytes value) {
    return xattrs_.set(node, name, value);
}
Result<void> Session::delete_xattr(NodeId node, std::string_view name) {
    return xattrs_.remove(node, name);
}
Result<void> Session::insert_container(const ContainerRow& row) {
    return containers_.insert(row);
}
Result<void> Session::set_quota(ContainerId container, const Quota& quota) {
    return containers_.set_quota(container, quota);
}
Result<void> Session::delete_container(ContainerId container) {
    RF_CHECK(documents_.remove_all(container));
    return containers_.remove(container);
}
Result<void> Session::put_document(const DocumentRow& row) {
    return documents_.put(row);
}
Result<void> Session::delete_document(ContainerId container, std::string_view kind) {
    return documents_.remove(container, kind);
}
Result<void> Session::insert_pack(const PackRow& row) {
    RF_CHECK(packs_.insert(row));
    ++change_.packs;
    return done();
}
Result<void> Session::update_pack(const PackId& pack, PackState state, std::uint64_t durable_end) {
    return packs_.update(pack, state, durable_end);
}
Result<void> Session::delete_pack(const PackId& pack) {
    RF_CHECK(packs_.remove(pack));
    --change_.packs;
    return done();
}
Result<void> Session::insert_freed(const FreedRange& range) {
    return packs_.insert_freed(range);
}
Result<void> Session::delete_freed(std::uint64_t row) {
    return packs_.remove_freed(row);
}
Result<void> Session::set_live_bytes(const PackId& pack, std::int64_t bytes) {
    return packs_.set_live(pack, bytes);
}
Result<void> Session::set_usage(ContainerId container, const Usage& wanted) {
    RF_TRY(const Usage now, usage(container));
    UsageChange& change = usage_change_[container];
    change.bytes += static_cast<std::int64_t>(wanted.bytes - now.bytes);
    change.objects += static_cast<std::int64_t>(wanted.objects - now.objects);
    return done();
}
Result<void> Session::set_setting(std::string_view name, std::string_view value) {
    return settings_.set(name, value);
}
Result<void> Session::insert_user(const UserRow& row) {
    return users_.insert(row);
}
Result<void> Session::update_user(const UserRow& row) {
    return users_.update(row);
}
Result<void> Session::delete_user(std::string_view name) {
    return users_.remove(name);
}
Result<void> Session::insert_token(const TokenRow& row) {
    return tokens_.insert(row);
}
Result<void> Session::delete_token(std::string_view id) {
    return tokens_.remove(id);
}

Result<void> Session::put_expiry(const ExpiryRow& row) {
    return expiries_.put(row);
}
Result<void> Session::delete_expiry(NodeId node) {
    return expiries_.remove(node);
}

}  // namespace reelfs::catalog
