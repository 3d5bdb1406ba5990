// Where files outside the store live, and which places are refused for a key. Pure but for
// real_path(): the environment and the uid come in as arguments.
//
//                 user                                         root
//     key         XDG_CONFIG_HOME (~/.config)/reelfs/ID.key    /etc/reelfs/keys/ID.key
//     log         XDG_STATE_HOME (~/.local/state)/reelfs/ID.log /var/log/reelfs/ID.log
//     socket      XDG_RUNTIME_DIR/reelfs/ID.sock               /run/reelfs/ID.sock
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/result.h"
#include "reelfs/model/ids.h"

namespace reelfs::app {

/// What of the process decides about places.
struct Person {
    unsigned uid = 0;
    std::string home;
    std::string config_home;  // XDG_CONFIG_HOME, or ""
    std::string state_home;   // XDG_STATE_HOME, or ""
    std::string runtime_dir;  // XDG_RUNTIME_DIR, or ""
    bool root() const { return uid == 0; }
};

/// The effective user and its environment.
Person current_person();

std::string key_directory(const Person& person);
std::string default_key_file(const Person& person, const StoreId& store);
std::string default_log_file(const Person& person, const StoreId& store);
/// Nothing when this user has no runtime directory; the socket then lives in STORE/run.
std::optional<std::string> runtime_directory(const Person& person);

/// Absolute, without "." and ".." and links, also when the last components do not exist yet.
Result<std::string> real_path(const std::string& path);
/// Absolute and normalised by text alone: safe to use on a dead mount.
std::string lexical_path(const std::string& path);
/// `path` is `directory` or lies below it. Both absolute and normalised.
bool is_inside(std::string_view path, std::string_view directory);
std::string parent_path(const std::string& path);

/// kInvalid, naming the place, when the key file lies in one of `places` (the store, its zones, the
/// mountpoint): whoever takes the disk would take the key with it. Compares real paths.
Result<void> check_key_place(const std::string& key_file, const std::vector<std::string>& places);

/// What check_key_place() says.
Error key_lies_inside(const std::string& key_file, const std::string& place);

/// Makes a directory and its missing parents, with this mode whatever the umask.
Result<void> make_directories(const std::string& path, unsigned mode);
/// The same, mode 0700.
Result<void> make_private_directories(const std::string& path);

}  // namespace reelfs::app
