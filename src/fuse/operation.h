// The operations of the mount as metrics know them: {mount, lookup}, {mount, write}, ...
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "reelfs/base/metrics.h"

namespace reelfs::fuse {

enum class Operation : std::uint8_t {
    kLookup,
    kForget,
    kGetattr,
    kSetattr,
    kAccess,
    kReadlink,
    kMknod,
    kMkdir,
    kUnlink,
    kRmdir,
    kSymlink,
    kRename,
    kLink,
    kCreate,
    kOpen,
    kRead,
    kWrite,
    kFlush,
    kFsync,
    kRelease,
    kFallocate,
    kLseek,
    kCopyFileRange,
    kOpendir,
    kReaddir,
    kReaddirplus,
    kReleasedir,
    kFsyncdir,
    kStatfs,
    kSetxattr,
    kGetxattr,
    kListxattr,
    kRemovexattr,
    kCount,
};

inline constexpr std::size_t kOperations = static_cast<std::size_t>(Operation::kCount);
inline constexpr std::array<std::string_view, kOperations> kOperationNames{
    "lookup",   "forget",      "getattr",    "setattr",  "access",          "readlink",
    "mknod",    "mkdir",       "unlink",     "rmdir",    "symlink",         "rename",
    "link",     "create",      "open",       "read",     "write",           "flush",
    "fsync",    "release",     "fallocate",  "lseek",    "copy_file_range", "opendir",
    "readdir",  "readdirplus", "releasedir", "fsyncdir", "statfs",          "setxattr",
    "getxattr", "listxattr",   "removexattr"};
static_assert(!kOperationNames.back().empty());

inline std::string_view name_of(Operation operation) {
    return kOperationNames[static_cast<std::size_t>(operation)];
}

/// The meters of all operations, looked up once.
class Meters {
  public:
    explicit Meters(Metrics& metrics) {
        for (std::size_t i = 0; i < kOperations; ++i)
            meters_[i] = &metrics.operation("mount", kOperationNames[i]);
    }
    OperationMeter& of(Operation operation) const {
        return *meters_[static_cast<std::size_t>(operation)];
    }

  private:
    std::array<OperationMeter*, kOperations> meters_{};
};

}  // namespace reelfs::fuse
