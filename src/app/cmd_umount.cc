// `reelfs umount`: ends a mount and waits, bounded, until its daemon has written everything and let
// go of the store, so that what comes next (a mount, a copy of the disk) finds it closed.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "app/commands.h"
#include "app/mount_table.h"
#include "app/paths.h"
#include "app/store_access.h"

namespace reelfs::app {

namespace {

constexpr int kBusyWaitMs = 5'000;     // for a file that is about to be closed
constexpr int kLookAgainMs = 200;      // nothing tells when a file is closed
constexpr int kDrainWaitMs = 60'000;   // for the daemon to write what is left
constexpr int kForcedWaitMs = 20'000;  // beyond the daemon's own bounds for HTTP and the mount
constexpr int kSayEveryMs = 2'000;
constexpr int kStopAnswerMs = 3'000;
constexpr std::size_t kHoldersNamed = 5;

/// The path as the kernel's table has it, without touching the mount itself, which may be dead.
std::string table_path(const std::string& path) {
    const std::string lexical = lexical_path(path);
    auto parent = real_path(parent_path(lexical));
    if (parent) {
        const std::string name = lexical.substr(lexical.rfind('/') + 1);
        const std::string direct = (*parent == "/" ? "" : *parent) + "/" + name;
        if (mount_at(direct)) return direct;
    }
    auto real = real_path(path);
    return real ? *real : lexical;
}

/// Waits for the daemon to go, saying so. True when it is gone.
bool wait_for_daemon(const LockRecord& holder, int wait_ms) {
    if (holder.pid == 0) return true;
    for (int waited = 0; waited < wait_ms; waited += kSayEveryMs) {
        if (wait_for_exit(holder.pid, std::min(kSayEveryMs, wait_ms - waited))) return true;
        fmt::print(stderr, "reelfs: waiting for process {} to write what is left ({} s)\n",
                   holder.pid, (waited + kSayEveryMs) / 1000);
    }
    return false;
}

Exit still_draining(const LockRecord& holder) {
    return fail(
        Error(Errc::kBusy, fmt::format("unmounted, but process {} is still writing; it goes on by "
                                       "itself, and its log says what it waits for",
                                       holder.pid)));
}

/// Waiting would not make it ours.
Error not_yours(const std::string& mountpoint, const Error& refusal) {
    return {Errc::kNotPermitted,
            fmt::format("{0} is not yours to unmount ({1}); the user who mounted it can, and root: "
                        "sudo reelfs umount '{0}'",
                        mountpoint, refusal.message())};
}

Result<void> detach_when_idle(const std::string& mountpoint) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyWaitMs);
    bool said = false;
    while (true) {
        auto detached = detach(mountpoint, Detach::kWhenIdle);
        if (!detached && detached.error().code() == Errc::kNotPermitted)
            return not_yours(mountpoint, detached.error());
        if (detached || detached.error().code() != Errc::kBusy) return detached;
        auto holders = holders_of(mountpoint, kHoldersNamed);
        const std::string named = holders.empty() ? "processes that are not visible to you"
                                                  : fmt::format("{}", fmt::join(holders, ", "));
        if (std::chrono::steady_clock::now() >= until)
            return Error(
                Errc::kBusy,
                fmt::format("{0} is busy: in use by {1}; close what they have open there, or: "
                            "reelfs umount --force '{0}'",
                            mountpoint, named));
        if (!said) fmt::print(stderr, "reelfs: {} is in use by {}; waiting\n", mountpoint, named);
        said = true;
        const int pid = holders.empty() ? 1 : std::atoi(holders.front().c_str());
        wait_for_exit(pid, kLookAgainMs);
    }
}

/// Asks the daemon to end, and detaches the mount if it does not.
Exit force(const MountEntry& entry, const LockRecord& holder) {
    bool gone = true;
    if (!holder.socket.empty()) {
        auto asked = ask_daemon(holder.socket, request::Stop{}, kStopAnswerMs);
        gone = asked && wait_for_daemon(holder, kForcedWaitMs);
    }
    auto left = mount_at(entry.mountpoint);
    if (left && is_reelfs(*left)) {
        auto detached = detach(entry.mountpoint, Detach::kLazily);
        if (!detached && detached.error().code() == Errc::kNotPermitted)
            return fail(not_yours(entry.mountpoint, detached.error()));
        if (!detached) return fail(detached.error());
        fmt::print("detached {}\n", entry.mountpoint);
    } else {
        fmt::print("unmounted {}\n", entry.mountpoint);
    }
    if (gone) return Exit::kOk;
    return fail(Error(Errc::kBusy,
                      fmt::format("process {0} did not end; it may be killed (kill -9 {0}): what "
                                  "was acknowledged is safe, and the next mount recovers",
                                  holder.pid)));
}

/// The argument may be a store that is served without a mount.
Exit stop_serving(Machine& machine, const std::string& path) {
    auto store = find_store(machine, path);
    if (!store) return fail(Error(Errc::kNotFound, fmt::format("{} is not mounted", path)));
    auto holder = find_holder(store->path);
    if (!holder) return fail(holder.error());
    if (!*holder || (*holder)->socket.empty())
        return fail(Error(Errc::kNotFound,
                          fmt::format("store {} is neither mounted nor served", store->path)));
    auto asked = ask_daemon((*holder)->socket, request::Stop{}, kStopAnswerMs);
    if (!asked) return fail(asked.error());
    if (!wait_for_daemon(**holder, kDrainWaitMs)) return still_draining(**holder);
    fmt::print("stopped {}\n", store->path);
    return Exit::kOk;
}

}  // namespace

Exit run_umount(Machine& machine, const UmountArguments& arguments) {
    if (arguments.mountpoint.empty())
        return fail(Error(Errc::kInvalid, "the name of the mountpoint is empty"));
    const std::string path = table_path(arguments.mountpoint);
    auto entry = mount_at(path);
    if (!entry) return stop_serving(machine, path);
    if (!is_reelfs(*entry))
        return fail(Error(Errc::kInvalid,
                          fmt::format("{} is a mount of type {}, not of reelfs; use umount(8)",
                                      path, entry->type)));
    LockRecord holder;
    if (auto found = find_holder(entry->source); found && *found) holder = **found;
    if (arguments.force) return force(*entry, holder);
    const bool dead = is_dead_mount(path);
    if (auto detached = detach_when_idle(path); !detached) return fail(detached.error());
    if (dead) {
        fmt::print("cleared the dead mount at {}\n", path);
        return Exit::kOk;
    }
    if (!wait_for_daemon(holder, kDrainWaitMs)) return still_draining(holder);
    fmt::print("unmounted {}\n", path);
    return Exit::kOk;
}

}  // namespace reelfs::app
