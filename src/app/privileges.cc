#include "app/privileges.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <exception>
#include <filesystem>
#include <utility>

#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {

constexpr int kCapabilitiesMax = 64;

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

Result<void> set_capabilities(const CapabilitySets& sets) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    if (::syscall(SYS_capset, &header, sets.data()) != 0)
        return Error::from_errno(errno, "give up capabilities");
    return done();
}

Result<CapabilitySets> capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    CapabilitySets sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0)
        return Error::from_errno(errno, "read capabilities");
    return sets;
}

bool is_in(const CapabilitySets& sets, unsigned capability) {
    return (sets[capability / 32].permitted >> (capability % 32) & 1u) != 0;
}

void add_to(CapabilitySets& sets, unsigned capability) {
    sets[capability / 32].permitted |= 1u << (capability % 32);
    sets[capability / 32].effective |= 1u << (capability % 32);
}

/// Nothing that is started later can have more than `kept`.
void reduce_bounding_set(const CapabilitySets& kept) {
    for (unsigned capability = 0; capability < kCapabilitiesMax; ++capability) {
        if (is_in(kept, capability)) continue;
        if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) continue;
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        log::warning("the capability bounding set stays as it is: CAP_SETPCAP is missing");
        return;
    }
}

/// The groups a user's own processes have; none for root, who does not need them here.
std::vector<gid_t> groups_of(const Identity& who) {
    const passwd* entry = who.uid == 0 ? nullptr : ::getpwuid(who.uid);
    if (entry == nullptr) return {};
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(entry->pw_name, who.gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        if (::getgrouplist(entry->pw_name, who.gid, groups.data(), &count) < 0) return {};
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

Result<void> become(const Identity& who) {
    const auto groups = groups_of(who);
    if (::setgroups(groups.size(), groups.data()) != 0)
        return Error::from_errno(errno, "leave root's groups");
    if (::setresgid(who.gid, who.gid, who.gid) != 0)
        return Error::from_errno(errno, fmt::format("become group {}", who.gid));
    if (::setresuid(who.uid, who.uid, who.uid) != 0)
        return Error::from_errno(errno, fmt::format("become user {}", who.uid));
    return done();
}

/// Not what was asked for, but what came of it.
Result<void> check_given_up(const Identity& who) {
    uid_t real = 0, effective = 0, saved = 0;
    ::getresuid(&real, &effective, &saved);
    RF_TRY(auto sets, capabilities());
    bool none = real == who.uid && effective == who.uid && saved == who.uid;
    for (const auto& set : sets)
        none = none && set.effective == 0 && set.permitted == 0 && set.inheritable == 0;
    if (none && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return done();
    return Error(Errc::kNotPermitted,
                 "rights could not be given up entirely, and the daemon does not run with them");
}

/// getpwuid_r and its like, with room for what a directory service sends.
template <class Lookup>
Result<Identity> look_up(Lookup lookup, const std::string& who) {
    std::vector<char> room(16 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    if (int error = lookup(&entry, room.data(), room.size(), &found); error != 0)
        return Error::from_errno(error, "look up user " + who);
    if (found == nullptr)
        return Error(Errc::kNotFound, fmt::format("there is no user {} here", who));
    return Identity{entry.pw_uid, entry.pw_gid};
}

}  // namespace

Result<Identity> owner_of(const std::string& directory) {
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0)
        return Error::from_errno(errno, "open " + directory);
    auto known = find_user(std::to_string(status.st_uid));
    return Identity{status.st_uid, known ? known->gid : status.st_gid};
}

Result<Identity> find_user(const std::string& name) {
    unsigned uid = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, uid).ptr == end && !name.empty())
        return look_up([uid](auto... rest) { return ::getpwuid_r(uid, rest...); }, name);
    return look_up([&name](auto... rest) { return ::getpwnam_r(name.c_str(), rest...); }, name);
}

std::string name_of_user(unsigned uid) {
    const passwd* entry = ::getpwuid(uid);
    return entry == nullptr ? std::to_string(uid) : entry->pw_name;
}

Result<void> give_up_rights(const Identity& who) {
    // A change of user takes this away; whoever asked for it still wants it.
    int signal_at_parents_death = 0;
    ::prctl(PR_GET_PDEATHSIG, &signal_at_parents_death, 0, 0, 0);
    if (::geteuid() == 0) {
        reduce_bounding_set({});
        ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        RF_CHECK(become(who));
    }
    RF_CHECK(set_capabilities({}));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Error::from_errno(errno, "set no_new_privs");
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) log::warning("PR_SET_DUMPABLE was refused");
    if (signal_at_parents_death != 0)
        ::prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(signal_at_parents_death), 0, 0, 0);
    return check_given_up(who);
}

bool keep_rights_of_keeper() {
    auto now = capabilities();
    if (!now) return false;
    CapabilitySets kept{};
    for (unsigned wanted : {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE, CAP_CHOWN})
        if (is_in(*now, wanted)) add_to(kept, wanted);
    reduce_bounding_set(kept);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return set_capabilities(kept).ok() && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

Result<ActingAs> ActingAs::start(const Identity& who) {
    ActingAs acting;
    if (::geteuid() != 0 || who.uid == 0) return acting;
    const std::string what = "act as user " + name_of_user(who.uid);
    acting.groups_.resize(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
    if (::getgroups(static_cast<int>(acting.groups_.size()), acting.groups_.data()) < 0)
        return Error::from_errno(errno, what);
    const auto groups = groups_of(who);
    acting.group_ = ::getegid();
    acting.acting_ = true;
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setegid(who.gid) != 0 ||
        ::seteuid(who.uid) != 0)
        return Error::from_errno(errno, what);
    return acting;
}

ActingAs::ActingAs(ActingAs&& other) noexcept
    : acting_(std::exchange(other.acting_, false)),
      group_(other.group_),
      groups_(std::move(other.groups_)) {}

ActingAs::~ActingAs() {
    // Going on as somebody else than everything after this believes would be worse than to stop.
    if (acting_ && (::seteuid(0) != 0 || ::setegid(group_) != 0 ||
                    ::setgroups(groups_.size(), groups_.data()) != 0))
        std::terminate();
}

std::optional<std::string> closed_folder(const std::string& path) {
    for (std::size_t at = 0; at != std::string::npos;) {
        at = path.find('/', at + 1);
        const std::string folder = path.substr(0, at);
        if (::faccessat(AT_FDCWD, folder.c_str(), X_OK, AT_EACCESS) == 0) continue;
        if (errno == EACCES) return folder;
        return std::nullopt;  // what is missing will be made, and another fault names itself later
    }
    return std::nullopt;
}

std::optional<std::string> foreign_file(const std::string& store, unsigned owner) {
    for (const std::string& folder : {store, store + "/catalog"}) {
        std::error_code error;
        for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
             entry.increment(error)) {
            struct stat status {};
            if (::lstat(entry->path().c_str(), &status) == 0 && status.st_uid != owner)
                return entry->path().string();
        }
    }
    return std::nullopt;
}

}  // namespace reelfs::app
