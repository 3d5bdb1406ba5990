// Whose a new store is, and directories made for him: what init, restore and backup share. Only
// root has a choice; for anybody else all of it is his own.
#pragma once

#include <string>

#include "app/privileges.h"

namespace reelfs::app {

/// Whom a new store in this directory will belong to; `named`: a user that was asked for, or "".
Result<Identity> choose_owner(const std::string& named, const std::string& directory);

/// Makes a directory for `owner`, with parents that he can pass through; one that is there already
/// and is root's becomes his.
Result<void> prepare_directory(const std::string& directory, const Identity& owner);

/// In the eyes of whom it is for. kAccessDenied, saying what to do.
Result<void> check_open_to(const Identity& owner, const std::string& directory);

/// A directory that the owner of a store is to fill for root, who asked for it: a new or an empty
/// one becomes his. True when it was made now: take it away again when nothing came of it.
/// kAccessDenied when he cannot get there.
Result<bool> prepare_for_owner_of(const std::string& store, const std::string& directory);

/// What is in the directory and, last, itself becomes his.
Result<void> give_all(const std::string& directory, const Identity& owner);

}  // namespace reelfs::app
