// Copying bytes between disks in pieces, with a sum over what was read: what backups and restores
// are made of. Long runs of zeros become holes.
#pragma once

#include <functional>
#include <string>

#include "core/backup_manifest.h"
#include "reelfs/base/disk.h"
#include "reelfs/core/job.h"

namespace reelfs::core {

/// Fills `out` from an offset; short only at the end.
using ReadPiece = std::function<Result<std::size_t>(std::uint64_t, MutableBytes)>;

/// Copies [from, from + bytes) to the same place in `target`; the sum of it. Not synced.
Result<std::uint64_t> copy_range(const ReadPiece& read, File& target, std::uint64_t from,
                                 std::uint64_t bytes, Job& job);
/// The sum of [from, from + bytes).
Result<std::uint64_t> sum_range(const File& file, std::uint64_t from, std::uint64_t bytes,
                                Job& job);
/// Reads what was copied from the device again. kIo when it is not what was written.
Result<void> verify_copy(Disk& disk, const std::string& path, const CopiedPart& part, Job& job);

/// A directory and its parents below `top`, made and durable.
Result<void> make_directories(Disk& disk, const std::string& top, const std::string& below);

/// "packs/3f/3f09...c2.pack"
std::string pack_name(const PackId& pack);

}  // namespace reelfs::core
