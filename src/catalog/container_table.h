// Containers and their documents. Few, and all read at start. Used under the connection's lock.
#pragma once

#include "catalog/database.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::catalog {

class ContainerTable {
  public:
    explicit ContainerTable(Database& database);

    Result<std::vector<ContainerRow>> all();
    Result<std::optional<ContainerRow>> find(ContainerId container);
    Result<void> insert(const ContainerRow& row);
    Result<void> set_quota(ContainerId container, const Quota& quota);
    Result<void> remove(ContainerId container);

  private:
    Statement all_;
    Statement find_;
    Statement insert_;
    Statement set_quota_;
    Statement remove_;
};

class DocumentTable {
  public:
    explicit DocumentTable(Database& database);

    /// By container and kind, behind (container, kind).
    Result<std::vector<DocumentRow>> after(ContainerId container, std::string_view kind, int limit);
    Result<void> put(const DocumentRow& row);
    Result<void> remove(ContainerId container, std::string_view kind);  // kNotFound
    Result<void> remove_all(ContainerId container);

  private:
    Statement after_;
    Statement put_;
    Statement remove_;
    Statement remove_all_;
};

}  // namespace reelfs::catalog
