// `-o remount`: other flags for a mount in service, as mount(8) asks for them. Only what the words
// name changes; the daemon goes on and is not told, since the kernel keeps what it refuses to
// itself. All other words (container=, http= ...) are those of the first mount: mount(8) repeats
// them from /etc/fstab.
#pragma once

#include <string>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs::app {

/// Is "remount" among the words of these -o lists?
bool wants_remount(const std::vector<std::string>& lists);

/// The flags for mount(2), from those of statvfs(3) now. Pure.
unsigned long remount_flags(unsigned long now, const std::vector<std::string>& lists);

/// Needs root. kBusy when it is to be read-only and something is open for writing.
Result<void> remount(const std::string& mountpoint, const std::vector<std::string>& lists);

}  // namespace reelfs::app
