// The kernel's list of mounts, and unmounting from outside the daemon.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs::app {

struct MountEntry {
    std::string mountpoint;
    std::string type;
    std::string source;
};

/// The lines of a mountinfo file, escapes undone; lines that cannot be read are left out. Pure.
std::vector<MountEntry> parse_mount_table(std::string_view text);
/// This process's /proc/self/mountinfo.
std::vector<MountEntry> read_mount_table();
/// The topmost mount at exactly this path.
std::optional<MountEntry> mount_at(const std::string& mountpoint);
bool is_reelfs(const MountEntry& entry);

/// Its daemon is gone: every access answers ENOTCONN.
bool is_dead_mount(const std::string& mountpoint);

enum class Detach { kWhenIdle, kLazily };
/// As root by umount2(2), as a user by fusermount3 -u. kBusy when it is in use, kNotPermitted when
/// it is somebody else's.
Result<void> detach(const std::string& mountpoint, Detach how);

/// Other processes that keep this mount busy, as "1234 (ffmpeg)", at most `count`. Sees what /proc
/// shows to us.
std::vector<std::string> holders_of(const std::string& mountpoint, std::size_t count);

}  // namespace reelfs::app
