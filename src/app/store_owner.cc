#include "app/store_owner.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "app/paths.h"

namespace reelfs::app {

Result<Identity> choose_owner(const std::string& named, const std::string& directory) {
    const Identity self{::geteuid(), ::getegid()};
    if (!named.empty()) {
        RF_TRY(Identity owner, find_user(named));
        if (self.uid == 0 || owner.uid == self.uid) return owner;
        return Error(Errc::kNotPermitted,
                     "only root makes stores for somebody else; leave --owner out");
    }
    if (self.uid != 0) return self;
    if (auto there = owner_of(directory); there && there->uid != 0) return there;
    auto system = find_user(kSystemUser);
    return system ? system : self;
}

Result<void> prepare_directory(const std::string& directory, const Identity& owner) {
    if (::geteuid() != 0) return make_private_directories(parent_path(directory));
    RF_CHECK(make_directories(parent_path(directory), 0755));
    if (owner.uid == 0) return done();
    struct stat before {};
    const bool there = ::lstat(directory.c_str(), &before) == 0;
    if (there && before.st_uid == owner.uid) return done();
    if (there && before.st_uid != 0)
        return Error(Errc::kAccessDenied,
                     fmt::format("{} belongs to user {}, but the store would be {}'s; choose an "
                                 "owner with --owner USER, or another directory",
                                 directory, name_of_user(before.st_uid), name_of_user(owner.uid)));
    RF_CHECK(make_private_directories(directory));
    if (::lchown(directory.c_str(), owner.uid, owner.gid) != 0)
        return Error::from_errno(errno,
                                 fmt::format("give {} to {}", directory, name_of_user(owner.uid)));
    return done();
}

Result<void> check_open_to(const Identity& owner, const std::string& directory) {
    RF_TRY(auto acting, ActingAs::start(owner));
    const auto closed = closed_folder(parent_path(directory));
    if (!closed) return done();
    return Error(Errc::kAccessDenied,
                 fmt::format("{0} is closed to user {1}, who would own {2}; choose a place that "
                             "{1} can reach, such as /var/lib/reelfs/NAME, or give the store to "
                             "somebody else with --owner USER (--owner root keeps it root's). "
                             "Nothing was made",
                             *closed, name_of_user(owner.uid), directory));
}

Result<bool> prepare_for_owner_of(const std::string& store, const std::string& directory) {
    if (::geteuid() != 0) return false;
    RF_TRY(const Identity owner, owner_of(store));
    if (owner.uid == 0) return false;
    std::error_code error;
    const bool there = std::filesystem::exists(directory, error);
    if (!there || (std::filesystem::is_directory(directory, error) &&
                   std::filesystem::is_empty(directory, error)))
        RF_CHECK(prepare_directory(directory, owner));
    RF_TRY(auto acting, ActingAs::start(owner));
    const auto closed = closed_folder(directory);
    if (!closed) return !there;
    return Error(Errc::kAccessDenied,
                 fmt::format("{} is closed to user {}, whose the store is and who writes there; "
                             "choose a place that he can reach",
                             *closed, name_of_user(owner.uid)));
}

Result<void> give_all(const std::string& directory, const Identity& owner) {
    if (::geteuid() != 0 || owner.uid == 0) return done();
    std::vector<std::string> paths;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator at(directory, error), end;
         !error && at != end; at.increment(error))
        paths.push_back(at->path().string());
    if (error) return Error(Errc::kIo, fmt::format("list {}: {}", directory, error.message()));
    paths.push_back(directory);  // last: until then nobody else can enter
    for (const std::string& path : paths)
        if (::lchown(path.c_str(), owner.uid, owner.gid) != 0)
            return Error::from_errno(errno,
                                     fmt::format("give {} to {}", path, name_of_user(owner.uid)));
    return done();
}

}  // namespace reelfs::app
