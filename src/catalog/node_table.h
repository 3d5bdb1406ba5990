// Nodes, entries and xattrs: what a name leads to. Used under the connection's lock.
#pragma once

#include "catalog/database.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::catalog {

class NodeTable {
  public:
    explicit NodeTable(Database& database);

    Result<std::optional<NodeRow>> find(NodeId node);
    Result<std::vector<NodeId>> orphans(NodeId after, int limit);
    Result<std::vector<NodeRow>> after(NodeId after, int limit);
    Result<void> insert(const NodeRow& row);
    Result<void> update(const NodeRow& row);
    Result<void> remove(NodeId node);
    Result<std::uint64_t> count();
    /// What a node counts for in its container; nothing for one that is not there.
    struct Weight {
        ContainerId container;
        std::int64_t bytes = 0;
        std::int64_t objects = 0;
    };
    static Weight weight_of(const NodeRow& row) {
        return {row.attributes.container, static_cast<std::int64_t>(row.attributes.allocated_bytes),
                row.attributes.links > 0 ? 1 : 0};
    }
    Result<Weight> weight(NodeId node);
    /// Of all nodes of each container.
    Result<std::vector<Weight>> weights();

  private:
    Statement find_;
    Statement orphans_;
    Statement after_;
    Statement insert_;
    Statement update_;
    Statement remove_;
    Statement has_slices_;
    Statement count_;
    Statement weight_;
    Statement weights_;
};

/// A node row whose columns begin at `first`.
Result<NodeRow> node_row(const Query& query, int first);
/// The columns of a node in the order that node_row() reads.
#define RF_NODE_COLUMNS(t)                                                                       \
    t "id," t "generation," t "container," t "type," t "mode," t "links," t "uid," t "gid," t    \
      "device," t "size," t "allocated," t "accessed," t "modified," t "changed," t "created," t \
      "expires," t "parent," t "flags," t "etag," t "target"

class EntryTable {
  public:
    explicit EntryTable(Database& database);

    Result<std::optional<NodeId>> find(NodeId parent, std::string_view name);
    Result<std::vector<EntryRow>> after(NodeId parent, std::string_view after, int limit);
    Result<std::vector<EntryWithNode>> with_nodes_after(NodeId parent, std::string_view after,
                                                        int limit);
    Result<bool> any(NodeId parent);
    Result<std::optional<std::string>> directory_name(NodeId directory);
    Result<void> insert(NodeId parent, const EntryRow& row);
    Result<void> replace(NodeId parent, const EntryRow& row);
    Result<void> remove(NodeId parent, std::string_view name);

  private:
    Statement find_;
    Statement after_;
    Statement with_nodes_after_;
    Statement any_;
    Statement directory_name_;
    Statement insert_;
    Statement replace_;
    Statement remove_;
};

class XattrTable {
  public:
    explicit XattrTable(Database& database);

    Result<std::optional<std::vector<std::byte>>> find(NodeId node, std::string_view name);
    Result<std::vector<std::string>> names(NodeId node);
    Result<void> set(NodeId node, std::string_view name, Bytes value);
    Result<void> remove(NodeId node, std::string_view name);
    Result<void> remove_all(NodeId node);

  private:
    Statement find_;
    Statement names_;
    Statement set_;
    Statement remove_;
    Statement remove_all_;
};

}  // namespace reelfs::catalog
