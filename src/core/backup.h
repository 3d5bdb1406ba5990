// The work behind Volume::back_up(). Runs in the caller's thread while the store is in use.
#pragma once

#include "core/context.h"
#include "reelfs/core/volume.h"

namespace reelfs::core {

Result<BackupReport> back_up(Context& context, Disk& disk, const std::string& directory, Job& job);

}  // namespace reelfs::core
