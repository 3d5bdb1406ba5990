#include "app/remount.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "app/mount_options.h"
#include "app/mount_table.h"

namespace reelfs::app {

namespace {

struct Flag {
    const char* word;     // sets it
    const char* reverse;  // clears it
    unsigned long shown;  // by statvfs(3)
    unsigned long asked;  // of mount(2)
};
constexpr std::array kFlags{
    Flag{"ro", "rw", ST_RDONLY, MS_RDONLY},
    Flag{"nosuid", "suid", ST_NOSUID, MS_NOSUID},
    Flag{"nodev", "dev", ST_NODEV, MS_NODEV},
    Flag{"noexec", "exec", ST_NOEXEC, MS_NOEXEC},
    Flag{"noatime", "atime", ST_NOATIME, MS_NOATIME},
    Flag{"nodiratime", "diratime", ST_NODIRATIME, MS_NODIRATIME},
    Flag{"relatime", "norelatime", ST_RELATIME, MS_RELATIME},
    Flag{"sync", "async", ST_SYNCHRONOUS, MS_SYNCHRONOUS},
};

}  // namespace

bool wants_remount(const std::vector<std::string>& lists) {
    return std::any_of(lists.begin(), lists.end(), [](const std::string& list) {
        const auto words = split_mount_words(list);
        return std::find(words.begin(), words.end(), "remount") != words.end();
    });
}

unsigned long remount_flags(unsigned long now, const std::vector<std::string>& lists) {
    unsigned long flags = MS_REMOUNT;
    for (const Flag& flag : kFlags)
        if (now & flag.shown) flags |= flag.asked;
    for (const std::string& list : lists) {
        for (const std::string& word : split_mount_words(list)) {
            for (const Flag& flag : kFlags) {
                if (word == flag.word) flags |= flag.asked;
                if (word == flag.reverse) flags &= ~flag.asked;
            }
        }
    }
    return flags;
}

Result<void> remount(const std::string& mountpoint, const std::vector<std::string>& lists) {
    const auto entry = mount_at(mountpoint);
    if (!entry || !is_reelfs(*entry))
        return Error(
            Errc::kNotFound,
            fmt::format("{} is no mount of reelfs, so there is nothing to remount", mountpoint));
    struct statvfs space {};
    if (::statvfs(mountpoint.c_str(), &space) != 0)
        return Error::from_errno(errno, "remount " + mountpoint);
    const unsigned long flags = remount_flags(space.f_flag, lists);
    if (::mount(entry->source.c_str(), mountpoint.c_str(), nullptr, flags, nullptr) == 0)
        return done();
    switch (errno) {
        case EPERM:
            return Error(Errc::kNotPermitted,
                         fmt::format("only root changes a mount in service; otherwise: reelfs "
                                     "umount '{}', and mount it anew",
                                     mountpoint));
        case EBUSY:
            return Error(
                Errc::kBusy,
                fmt::format("files below {} are open for writing; close them first", mountpoint));
        default:
            return Error::from_errno(errno, "remount " + mountpoint);
    }
}

}  // namespace reelfs::app
