// `reelfs init STORE`. The order matters: the key is on disk before the store exists, and is taken
// away again when the store could not be made.
//
// As root the key stays root's, who opens the store with it, and the store is given to a user who
// can do nothing else: its daemon runs as that user.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "app/commands.h"
#include "app/paths.h"
#include "app/privileges.h"
#include "app/prompt.h"
#include "app/store_owner.h"
#include "app/text.h"

namespace reelfs::app {

namespace {

struct Made {
    std::string store;
    StoreId id;
    std::string key_file;       // "" when a passphrase opens the store
    bool key_file_new = false;  // made now
    crypto::RecoveryKey recovery_key;
    Identity owner;
};

/// What opens the new store; `fresh` is set when that is a key file made now.
Result<crypto::Unlock> choose_unlock(Machine& machine, const InitArguments& arguments,
                                     const std::vector<std::string>& forbidden,
                                     std::optional<NewKeyFile>& fresh) {
    const KeyChoice& keys = arguments.keys;
    if (keys.ask_passphrase) {
        RF_TRY(auto text, ask_new_passphrase());
        return crypto::Unlock(crypto::Passphrase{std::move(text)});
    }
    if (!keys.passphrase_file.empty()) {
        RF_CHECK(check_key_place(keys.passphrase_file, forbidden));
        RF_TRY(auto text, read_secret_line(machine, keys.passphrase_file));
        return crypto::Unlock(crypto::Passphrase{std::move(text)});
    }
    std::string path;
    const std::string directory = key_directory(current_person());
    if (!keys.key_file.empty()) {
        RF_TRY(path, real_path(keys.key_file));
    }
    RF_CHECK(check_key_place(path.empty() ? directory + "/key" : path, forbidden));
    if (!path.empty()) {
        RF_TRY(bool there, machine.disk.exists(path));
        if (there) {
            RF_TRY(auto key, read_key_file(machine, path));
            return crypto::Unlock(std::move(key));
        }
    }
    RF_TRY(auto made, NewKeyFile::create(machine, path, directory));
    fresh.emplace(std::move(made));
    return crypto::Unlock(crypto::KeyFile{fresh->content()});
}

Result<core::CreatedStore> create_for(const Identity& owner, Machine& machine,
                                      const core::CreateOptions& options) {
    RF_TRY(auto acting, ActingAs::start(owner));
    return core::create_store(machine.environment(), options);
}

Result<Made> make_store(Machine& machine, const InitArguments& arguments) {
    core::CreateOptions options;
    options.owner_uid = ::geteuid();
    options.owner_gid = ::getegid();
    if (arguments.store.empty())
        return Error(Errc::kInvalid,
                     "the name of the store is empty; give the directory that it is to be made in");
    RF_TRY(options.directory, real_path(arguments.store));
    struct stat status {};
    if (::stat(options.directory.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
        return Error(Errc::kNotDirectory,
                     fmt::format("{} is a file, and a store is a directory; give another name",
                                 options.directory));
    if (core::identify_store(machine.disk, options.directory))
        return Error(
            Errc::kExists,
            fmt::format("there is a store at {} already; nothing was changed", options.directory));
    std::vector<std::string> forbidden{options.directory};
    for (const std::string& zone : arguments.zones) {
        RF_TRY(std::string real, real_path(zone));
        if (std::find(forbidden.begin(), forbidden.end(), real) != forbidden.end())
            return Error(Errc::kInvalid,
                         fmt::format("zone {} is given twice, or is the store itself; give each "
                                     "disk once. Nothing was made",
                                     real));
        options.zones.push_back(real);
        forbidden.push_back(real);
    }
    if (!arguments.block_size.empty()) {
        RF_TRY(options.block_bytes, parse_block_size(arguments.block_size));
    }
    RF_TRY(const Identity owner, choose_owner(arguments.owner, options.directory));
    for (const std::string& directory : forbidden) RF_CHECK(check_open_to(owner, directory));
    std::optional<NewKeyFile> fresh;
    RF_TRY(options.unlock, choose_unlock(machine, arguments, forbidden, fresh));
    for (const std::string& directory : forbidden) RF_CHECK(prepare_directory(directory, owner));
    RF_TRY(auto created, create_for(owner, machine, options));
    forget(options.unlock);
    Made made{.store = options.directory,
              .id = created.id,
              .key_file = {},
              .key_file_new = fresh.has_value(),
              .recovery_key = std::move(created.recovery_key),
              .owner = owner};
    if (!arguments.keys.key_file.empty()) {
        RF_TRY(made.key_file, real_path(arguments.keys.key_file));
    } else if (fresh) {
        made.key_file = default_key_file(current_person(), made.id);
    }
    if (fresh) {
        // From here on the store exists: a failure must not cost its key.
        if (auto kept = fresh->keep_as(made.key_file); !kept) {
            fmt::print(stderr, "reelfs: {}; the store's key is in {}\n", kept.error().message(),
                       fresh->path());
            made.key_file = fresh->path();
        }
    }
    return made;
}

void tell_of_root(const Made& made) {
    fmt::print(stderr,
               "reelfs: the store stays root's, and its daemon will run as root, if without "
               "capabilities: there is no user {0} here. To give it to one:\n"
               "    useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {0}\n"
               "    chown -R {0}: '{1}' (and its zones)\n",
               kSystemUser, made.store);
}

void print_for_people(const Made& made) {
    fmt::print("Created store {} (id {}).\n", made.store, made.id.hex());
    if (::geteuid() == 0 && made.owner.uid != 0)
        fmt::print("Its owner, whom its daemon runs as: {}\n", name_of_user(made.owner.uid));
    if (made.key_file.empty())
        fmt::print("Its key is your passphrase; it is kept nowhere.\n");
    else
        fmt::print("Key file: {}{}\n", made.key_file, made.key_file_new ? " (new)" : "");
    fmt::print(
        "Recovery key (shown this once; write it down and keep it elsewhere):\n\n    {}\n\n"
        "Whoever has {} or the recovery key can read the store. If both are lost,\n"
        "everything in the store is lost: nobody can open it again.\n",
        made.recovery_key.text, made.key_file.empty() ? "the passphrase" : "the key file");
}

}  // namespace

Exit run_init(Machine& machine, const InitArguments& arguments) {
    auto made = make_store(machine, arguments);
    if (!made) return fail(made.error());
    if (made->owner.uid == 0 && arguments.owner.empty()) tell_of_root(*made);
    if (arguments.json)
        fmt::print("{}\n", dump_json({{"store", made->store},
                                      {"id", made->id.hex()},
                                      {"owner", name_of_user(made->owner.uid)},
                                      {"key_file", made->key_file},
                                      {"recovery_key", made->recovery_key.text}}));
    else
        print_for_people(*made);
    return Exit::kOk;
}

}  // namespace reelfs::app
