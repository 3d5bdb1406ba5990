// Bounds of checks, repairs and backups: apart from limits.h, which nearly every file includes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reelfs::limits {

/// Findings listed one by one; the rest is counted.
inline constexpr std::size_t findings_max = 1'000;
/// Folders above a node that a search for its path climbs.
inline constexpr int path_depth_max = 4'096;
/// Shared extents that a rotation looks for in one walk over all slices, and files that it moves
/// together to the fresh one: content that more of them share is sealed once for each so many.
inline constexpr std::size_t reseal_extents_max = 1'024;
inline constexpr std::size_t reseal_files_max = 256;
/// More than a store hands out in its life: 2^40 of 2^63, so that each of them may be restored from
/// the one before eight million times.
inline constexpr std::uint64_t ids_skipped_by_restore = std::uint64_t{1} << 40;

}  // namespace reelfs::limits
