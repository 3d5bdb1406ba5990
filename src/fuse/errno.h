// What the kernel is told: the one place where an Errc becomes an errno.
#pragma once

#include "reelfs/base/error.h"

namespace reelfs::fuse {

/// A positive errno, never 0.
int errno_of(Errc code);

}  // namespace reelfs::fuse
