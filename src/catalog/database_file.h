// The database file as SQLite sees it, over a file of sealed pages. On reading, the 40 reserved
// bytes of each page are zeros; on writing they must be.
//
// A page that is not authentic is kCorrupt, with one exception: a read of part of the first 100
// bytes then sees zeros, as in an empty file. SQLite reads them when it opens the database, before
// it looks at the log, and a checkpoint cut by a power failure may leave page 1 torn here and whole
// in the log. If it is not in the log, the read of the whole page that follows is kCorrupt.
//
// Used under the connection's lock.
#pragma once

#include <cstdint>
#include <memory>

#include "catalog/durability.h"
#include "reelfs/base/disk.h"
#include "reelfs/crypto/page_seal.h"

namespace reelfs::catalog {

class DatabaseFile {
  public:
    DatabaseFile(std::unique_ptr<File> file, std::uint64_t size, crypto::PageSealer& sealer,
                 Failure& failure);

    /// Fewer bytes than asked for only at the end.
    Result<std::size_t> read(std::uint64_t offset, MutableBytes out);
    /// One whole page.
    Result<void> write(std::uint64_t offset, Bytes page);
    Result<void> truncate(std::uint64_t size);
    Result<void> sync();
    std::uint64_t size() const { return size_; }

  private:
    Result<void> read_page(std::uint64_t page, MutableBytes plain);

    const std::unique_ptr<File> file_;
    crypto::PageSealer& sealer_;
    Failure& failure_;
    std::uint64_t size_;
    Buffer sealed_;
    Buffer opened_;
};

}  // namespace reelfs::catalog
