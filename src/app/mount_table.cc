#include "app/mount_table.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/paths.h"
#include "reelfs/fuse/mount.h"

namespace reelfs::app {

namespace {

/// "\040" and its like are how mountinfo writes spaces.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        int code = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr ==
                text.data() + i + 4) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

bool links_into(const std::filesystem::path& link, const std::string& mountpoint) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(link, error);
    return !error && is_inside(target.string(), mountpoint);
}

bool process_holds(const std::filesystem::path& process, const std::string& mountpoint) {
    if (links_into(process / "cwd", mountpoint) || links_into(process / "root", mountpoint) ||
        links_into(process / "exe", mountpoint))
        return mountpoint != "/";
    std::error_code error;
    for (std::filesystem::directory_iterator fd(process / "fd", error), end; !error && fd != end;
         fd.increment(error)) {
        if (links_into(fd->path(), mountpoint)) return true;
    }
    return false;
}

}  // namespace

std::vector<MountEntry> parse_mount_table(std::string_view text) {
    // 36 35 98:0 /root /mountpoint options [optional ...] - type source super-options
    std::vector<MountEntry> entries;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string skipped, root, mountpoint, options, word;
        words >> skipped >> skipped >> skipped >> root >> mountpoint >> options;
        while (words >> word && word != "-") {
        }
        std::string type, source;
        if (words >> type >> source)
            entries.push_back({unescape(mountpoint), unescape(type), unescape(source)});
    }
    return entries;
}

std::vector<MountEntry> read_mount_table() {
    return parse_mount_table(read_text("/proc/self/mountinfo"));
}

std::optional<MountEntry> mount_at(const std::string& mountpoint) {
    const auto entries = read_mount_table();
    auto found = std::find_if(entries.rbegin(), entries.rend(), [&](const MountEntry& entry) {
        return entry.mountpoint == mountpoint;
    });
    return found == entries.rend() ? std::nullopt : std::optional(*found);
}

bool is_reelfs(const MountEntry& entry) {
    return entry.type == "fuse.reelfs";
}

bool is_dead_mount(const std::string& mountpoint) {
    // Attributes may come from the kernel's cache; statfs always asks the daemon.
    struct statvfs space {};
    return ::statvfs(mountpoint.c_str(), &space) != 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

Result<void> detach(const std::string& mountpoint, Detach how) {
    const int flags = UMOUNT_NOFOLLOW | (how == Detach::kLazily ? MNT_DETACH : 0);
    if (::umount2(mountpoint.c_str(), flags) == 0) return done();
    if (errno == EPERM) return fuse::unmount_by_fusermount(mountpoint, how == Detach::kLazily);
    if (errno == EINVAL) return Error(Errc::kNotFound, mountpoint + " is not mounted");
    return Error::from_errno(errno, "unmount " + mountpoint);
}

std::vector<std::string> holders_of(const std::string& mountpoint, std::size_t count) {
    std::vector<std::string> holders;
    std::error_code error;
    for (std::filesystem::directory_iterator process("/proc", error), end;
         !error && process != end && holders.size() < count; process.increment(error)) {
        const std::string pid = process->path().filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        if (pid == std::to_string(::getpid())) continue;
        if (!process_holds(process->path(), mountpoint)) continue;
        std::string name = read_text("/proc/" + pid + "/comm");
        while (!name.empty() && name.back() == '\n') name.pop_back();
        holders.push_back(fmt::format("{} ({})", pid, name));
    }
    return holders;
}

}  // namespace reelfs::app
