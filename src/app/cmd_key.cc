// `reelfs key`: what opens the store. A change needs a key that opens it now, also from those who
// may talk to the daemon. A new key file is on disk before the store relies on it, and is taken
// away again when the store does not.
#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "app/commands.h"
#include "app/paths.h"
#include "app/prompt.h"
#include "app/store_access.h"

namespace reelfs::app {

namespace {

struct Fresh {
    crypto::Unlock unlock;
    std::optional<NewKeyFile> file;       // made now
    std::optional<std::string> recovery;  // to be shown
};

Result<Fresh> make_fresh(Machine& machine, const KeyArguments& arguments,
                         const std::vector<std::string>& forbidden) {
    if (arguments.new_recovery_key) {
        crypto::RecoveryKey key = crypto::Keyring::make_recovery_key(machine.random);
        return Fresh{.unlock = key, .file = {}, .recovery = key.text};
    }
    if (arguments.new_passphrase) {
        RF_TRY(auto text, ask_new_passphrase());
        return Fresh{.unlock = crypto::Passphrase{std::move(text)}, .file = {}, .recovery = {}};
    }
    if (!arguments.new_passphrase_file.empty()) {
        RF_CHECK(check_key_place(arguments.new_passphrase_file, forbidden));
        RF_TRY(auto text, read_secret_line(machine, arguments.new_passphrase_file));
        return Fresh{.unlock = crypto::Passphrase{std::move(text)}, .file = {}, .recovery = {}};
    }
    if (arguments.new_key_file.empty())
        return Error(Errc::kInvalid,
                     "say what the new key is: --new-key-file, --new-passphrase, "
                     "--new-passphrase-file or --new-recovery-key");
    RF_TRY(const std::string path, real_path(arguments.new_key_file));
    RF_CHECK(check_key_place(path, forbidden));
    RF_TRY(const bool there, machine.disk.exists(path));
    if (there) {
        RF_TRY(auto key, read_key_file(machine, path));
        return Fresh{.unlock = std::move(key), .file = {}, .recovery = {}};
    }
    RF_TRY(auto made, NewKeyFile::create(machine, path, parent_path(path)));
    crypto::Unlock unlock = crypto::KeyFile{made.content()};
    return Fresh{.unlock = std::move(unlock), .file = std::move(made), .recovery = {}};
}

void print_slots(const Json& slots) {
    for (const Json& slot : slots)
        fmt::print("{:<5} {}\n", number_member(slot, "slot", 0), text_member(slot, "kind"));
}

void print_recovery(const std::string& text) {
    fmt::print("Recovery key (shown this once; write it down and keep it elsewhere):\n\n    {}\n\n",
               text);
}

/// Slots can be told without a key, from the file itself.
Result<Json> list_slots(Machine& machine, const StoreName& store) {
    RF_TRY(const auto bytes,
           read_file(machine.disk, store.path + "/keyring", crypto::kKeyringBytesMax));
    RF_TRY(const crypto::KeyringHead head, crypto::Keyring::peek(bytes));
    Json list = Json::array();
    for (std::size_t slot = 0; slot < head.slots.size(); ++slot)
        if (head.slots[slot] != crypto::SlotKind::kEmpty)
            list.push_back({{"slot", slot}, {"kind", name_of(head.slots[slot])}});
    return list;
}

Result<void> change(Machine& machine, const StoreName& store, const KeyArguments& arguments) {
    RF_TRY(crypto::Unlock proof,
           find_unlock(machine, current_person(), store.id, arguments.store.keys, {store.path}));
    request::KeyChange wanted{
        .proof = secret_of(proof), .add = {}, .remove = {}, .remove_own = false};
    std::optional<Fresh> fresh;
    if (arguments.what != KeyArguments::What::kRemove) {
        RF_TRY(auto made, make_fresh(machine, arguments, {store.path}));
        fresh.emplace(std::move(made));
        wanted.add = secret_of(fresh->unlock);
    }
    if (arguments.slot) wanted.remove = *arguments.slot;
    if (arguments.what == KeyArguments::What::kChange && !arguments.slot) wanted.remove_own = true;
    RF_TRY(Json answer, ask(machine, store, std::move(proof), wanted));
    if (fresh && fresh->file) {
        if (auto kept = fresh->file->keep_as(fresh->file->path()); !kept)
            fmt::print(stderr, "reelfs: warning: {}\n", kept.error().message());
    }
    if (arguments.store.json) {
        if (fresh && fresh->recovery) answer["recovery_key"] = *fresh->recovery;
        fmt::print("{}\n", dump_json(answer, 2));
        return done();
    }
    if (fresh && fresh->recovery) print_recovery(*fresh->recovery);
    print_slots(answer.value("slots", Json::array()));
    return done();
}

}  // namespace

Exit run_key(Machine& machine, const KeyArguments& arguments) {
    auto store = find_store(machine, arguments.store.store);
    if (!store) return fail(store.error());
    if (arguments.what == KeyArguments::What::kList) {
        auto slots = list_slots(machine, *store);
        if (!slots) return fail(slots.error());
        if (arguments.store.json)
            fmt::print("{}\n", dump_json({{"slots", *slots}}, 2));
        else
            print_slots(*slots);
        return Exit::kOk;
    }
    auto changed = change(machine, *store, arguments);
    return changed ? Exit::kOk : fail(changed.error());
}

}  // namespace reelfs::app
