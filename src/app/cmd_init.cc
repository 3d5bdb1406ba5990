// `reelfs init STORE`. The order matters: the key is on disk before the store exists, and is taken
// away again when the store could not be made.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "app/commands.h"
#include "app/paths.h"
#include "app/prompt.h"
#include "app/text.h"

namespace reelfs::app {

namespace {

struct Made {
    std::string store;
    StoreId id;
    std::string key_file;       // "" when a passphrase opens the store
    bool key_file_new = false;  // made now
    crypto::RecoveryKey recovery_key;
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

Result<Made> make_store(Machine& machine, const InitArguments& arguments) {
    core::CreateOptions options;
    options.owner_uid = ::geteuid();
    options.owner_gid = ::getegid();
    RF_TRY(options.directory, real_path(arguments.store));
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
    std::optional<NewKeyFile> fresh;
    RF_TRY(options.unlock, choose_unlock(machine, arguments, forbidden, fresh));
    RF_CHECK(make_private_directories(parent_path(options.directory)));
    RF_TRY(auto created, core::create_store(machine.environment(), options));
    Made made{.store = options.directory,
              .id = created.id,
              .key_file = {},
              .key_file_new = fresh.has_value(),
              .recovery_key = std::move(created.recovery_key)};
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

void print_for_people(const Made& made) {
    fmt::print("Created store {} (id {}).\n", made.store, made.id.hex());
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
    if (arguments.json)
        fmt::print("{}\n", dump_json({{"store", made->store},
                                      {"id", made->id.hex()},
                                      {"key_file", made->key_file},
                                      {"recovery_key", made->recovery_key.text}}));
    else
        print_for_people(*made);
    return Exit::kOk;
}

}  // namespace reelfs::app
