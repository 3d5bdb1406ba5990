// The seam under everything durable: store, catalog and keyring reach the disk only through Disk
// and File. Production is PosixDisk; tests replace it to fail the n-th call, or to build every disk
// that a power cut could leave behind (tests/support/sim_disk.h).
//
// Paths are absolute. Errors carry the path. All calls are thread-safe; calls on one File may run
// at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/result.h"

namespace reelfs {

class File {
  public:
    virtual ~File() = default;

    /// Reads up to out.size() bytes at `offset`; fewer only at the end of the file.
    virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const = 0;
    /// The same, of a little that is not likely to be read again soon: what the system's page cache
    /// does not hold goes past it, where system and file system can do that.
    virtual Result<std::size_t> read_once_at(std::uint64_t offset, MutableBytes out) const {
        return read_at(offset, out);
    }
    /// The same, of what the device holds, whatever the page cache has of it: for who looks for
    /// damage. Leaves nothing in the page cache, either. Where the file system cannot read past its
    /// cache, that is dropped first.
    virtual Result<std::size_t> read_device_at(std::uint64_t offset, MutableBytes out) const {
        return read_at(offset, out);
    }
    /// Writes all pieces back to back at `offset`. After an error any part may have been written.
    virtual Result<void> write_at(std::uint64_t offset, std::span<const Bytes> pieces) = 0;
    Result<void> write_at(std::uint64_t offset, Bytes bytes) {
        return write_at(offset, std::span<const Bytes>(&bytes, 1));
    }
    /// The same, of much that is not likely to be read soon: on its way to the device at once, and
    /// not left in the page cache, where system and file system can do that.
    virtual Result<void> write_bulk_at(std::uint64_t offset, std::span<const Bytes> pieces) {
        return write_at(offset, pieces);
    }
    /// fdatasync: everything written by calls that had returned before this one began is durable on
    /// success.
    virtual Result<void> sync() = 0;
    virtual Result<std::uint64_t> size() const = 0;
    virtual Result<void> truncate(std::uint64_t size) = 0;
    /// Gives [offset, offset + length) back to the disk; reads as zero after. kUnsupported where
    /// the disk cannot. The size does not change.
    virtual Result<void> punch(std::uint64_t offset, std::uint64_t length) = 0;
    /// Reserves room so that writes inside it cannot fail for lack of space. Extends the size.
    virtual Result<void> allocate(std::uint64_t offset, std::uint64_t length) = 0;
    /// Drops clean cached pages, so that the next read comes from the device.
    virtual void drop_cache() = 0;
    /// Hints that [offset, offset+length) will be read soon.
    virtual void will_need(std::uint64_t offset, std::uint64_t length) = 0;
};

enum class OpenMode {
    kRead,       // must exist
    kReadWrite,  // must exist
    kCreate,     // made if absent (mode 0600)
    kCreateNew,  // O_EXCL
};

struct DiskSpace {
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0;  // to us, who may not be root
    std::uint64_t device = 0;      // equal for two paths on one volume
};

class Disk {
  public:
    virtual ~Disk() = default;
    virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
    virtual Result<bool> exists(const std::string& path) = 0;
    /// Makes one directory, mode 0700; fine when it exists.
    virtual Result<void> make_directory(const std::string& path) = 0;
    /// Names in a directory, without "." and "..", in no order.
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
    virtual Result<void> rename(const std::string& source, const std::string& target) = 0;
    /// kNotFound when absent.
    virtual Result<void> remove(const std::string& path) = 0;
    virtual Result<void> remove_directory(const std::string& path) = 0;
    /// Makes creations, renames and removals in this directory durable.
    virtual Result<void> sync_directory(const std::string& path) = 0;
    virtual Result<DiskSpace> space(const std::string& path) = 0;
};

/// The machine's file system. Stateless.
class PosixDisk final : public Disk {
  public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<bool> exists(const std::string& path) override;
    Result<void> make_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Result<void> rename(const std::string& source, const std::string& target) override;
    Result<void> remove(const std::string& path) override;
    Result<void> remove_directory(const std::string& path) override;
    Result<void> sync_directory(const std::string& path) override;
    Result<DiskSpace> space(const std::string& path) override;
};

/// The whole file, at most `limit` bytes (kTooBig beyond).
Result<std::vector<std::byte>> read_file(Disk& disk, const std::string& path, std::size_t limit);
/// Writes `path`.new, syncs it, renames it over `path`, syncs the directory: old or new, never a
/// mixture.
Result<void> replace_file(Disk& disk, const std::string& path, Bytes content);

}  // namespace reelfs
