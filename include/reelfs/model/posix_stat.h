// A node's type and times as stat(2) has them. Pure.
#pragma once

#include <sys/stat.h>

#include <optional>

#include "reelfs/base/clock.h"
#include "reelfs/model/attributes.h"

namespace reelfs {

/// The S_IFMT bits alone.
mode_t type_bits(NodeType type);
/// Of any mode; without type bits a regular file, as mknod(2) has it. Nothing for bits that name
/// no type of ours.
std::optional<NodeType> type_of(mode_t mode);

/// Nanoseconds from 0 to 999,999,999, also before 1970.
timespec timespec_of(Timestamp time);
/// Saturates at what 64-bit nanoseconds can hold (years 1677 to 2262).
Timestamp timestamp_of(const timespec& time);

}  // namespace reelfs
