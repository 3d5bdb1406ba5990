// Containers. Few, and all read at start. Used under the connection's lock.
#pragma once

#include "catalog/database.h"
#include "reelfs/catalog/rows.h"

namespace reelfs::catalog {

class ContainerTable {
  public:
    explicit ContainerTable(Preparation& preparation);

    Result<std::vector<ContainerRow>> all();
    Result<std::optional<ContainerRow>> find(ContainerId container);
    Result<void> insert(const ContainerRow& row);
    Result<void> remove(ContainerId container);

  private:
    Statement all_;
    Statement find_;
    Statement insert_;
    Statement remove_;
};

}  // namespace reelfs::catalog
