// The work behind Volume::rotate_key(): a new key for a container, all its content under it, then
// the old key gone.
//
// The new key is in every copy of the keyring before anything is sealed under it, and seals all
// that is written from then on. Which extents are still under an old one their rows say, so a
// rotation that was stopped goes on wherever it was. The old key goes when no row names it (a walk
// over all extents says so, not that nothing more was found to be moved), durably, and nobody reads
// from a map that does.
#pragma once

#include "core/tree_impl.h"
#include "reelfs/core/volume.h"

namespace reelfs::core {

Result<RotateReport> rotate_key(Context& context, TreeImpl& tree, Files& files,
                                const std::string& container, Job& job);

}  // namespace reelfs::core
