// Whose rights a process has, and giving them up.
//
// A store belongs to somebody, and whoever works on its files does so as that user: files made by
// root would lock the owner out, and bytes from a disk are no business of root's. So a daemon
// started as root becomes the owner, for good, before it opens the store or answers anybody; a
// short command of root's becomes the owner for as long as it has the store open. What needs more
// than that is app/keeper.h's.
//
//     daemon started by      uid, gid, groups     capabilities              no_new_privs
//     root                   the store's owner's  none, bounding set empty  set
//     root, a store of root  root's, no groups    none, bounding set empty  set
//     an ordinary user       his                  none                      set
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs::app {

struct Identity {
    unsigned uid = 0;
    unsigned gid = 0;
    bool operator==(const Identity&) const = default;
};

/// The system user that `init` as root gives stores to. Made by the package and by tools/up.
inline constexpr const char* kSystemUser = "reelfs";

/// Whom the directory belongs to; the group is that user's own where he is known here.
Result<Identity> owner_of(const std::string& directory);
/// A user by name or number. kNotFound when there is none.
Result<Identity> find_user(const std::string& name);
/// The user's name, or his number where he has none.
std::string name_of_user(unsigned uid);

/// Becomes `who` for good, with his groups: all threads to come, without capabilities and without a
/// way back, not dumpable. An ordinary user stays who he is. Checks the result and fails rather
/// than go on with more than was meant. Call before any thread is made.
Result<void> give_up_rights(const Identity& who);

/// As root, in the keeper: from all capabilities down to those of mount(2), umount(2), binding low
/// ports, opening files of others and giving the control socket away. False when that fails.
bool keep_rights_of_keeper();

/// Is `who` for as long as it lives; nothing changes for an ordinary user. Call, and end, where no
/// other thread depends on who it is.
class ActingAs {
  public:
    static Result<ActingAs> start(const Identity& who);
    ActingAs(ActingAs&& other) noexcept;
    ActingAs& operator=(ActingAs&&) = delete;
    ~ActingAs();

  private:
    ActingAs() = default;
    bool acting_ = false;
    gid_t group_ = 0;            // root's, as are
    std::vector<gid_t> groups_;  // these
};

/// The first folder on the way to this absolute path, itself included, that exists and that this
/// process may not enter; nothing when all are open.
std::optional<std::string> closed_folder(const std::string& path);

/// A file in this store, or the store itself, that is somebody else's: the first found among those
/// that are needed to open it.
std::optional<std::string> foreign_file(const std::string& store, unsigned owner);

}  // namespace reelfs::app
