// `reelfs key`: what opens the store. A change needs a key that opens it now, also from those who
// may talk to the daemon. A new key file is on disk, and a new recovery key before somebody's eyes,
// before the store relies on it. Only an answer that says that nothing was changed takes the file
// away again: without an answer the store may open with the new key and no longer with the old.
#include <fmt/format.h>

#include <csignal>
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

bool says_nothing_changed(const Error& error) {
    return error.code() == Errc::kWrongKey || error.code() == Errc::kNotFound ||
           error.code() == Errc::kInvalid || error.code() == Errc::kBusy;
}

/// While it lives, what usually ends a process waits: a recovery key is to be shown before.
class Uninterrupted {
  public:
    Uninterrupted() {
        sigset_t signals;
        ::sigemptyset(&signals);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&signals, signal);
        ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
    }
    Uninterrupted(const Uninterrupted&) = delete;
    ~Uninterrupted() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

/// What becomes of a new key when the store gave no good answer.
void settle(Fresh& fresh, const Error& error, bool shown) {
    if (says_nothing_changed(error)) {
        if (fresh.recovery && shown)
            fmt::print(stderr, "reelfs: the recovery key shown above opens nothing\n");
        return;
    }
    if (fresh.file) {
        fmt::print(stderr,
                   "reelfs: {} stays: the store may open with it now, and no longer with the key "
                   "that it takes the place of; see which one does before you remove the other\n",
                   fresh.file->path());
        if (auto kept = fresh.file->keep_as(fresh.file->path()); !kept)
            fmt::print(stderr, "reelfs: warning: {}\n", kept.error().message());
    }
    if (!fresh.recovery) return;
    if (!shown) fmt::print(stderr, "Recovery key: {}\n", *fresh.recovery);
    fmt::print(stderr, "reelfs: the store may open with that recovery key now; keep it\n");
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
    // Now, not when the answer comes: this process may not live to see it. As JSON it can be shown
    // with the answer only.
    std::optional<Uninterrupted> uninterrupted;
    const bool shown = fresh && fresh->recovery && !arguments.store.json;
    if (shown) {
        print_recovery(*fresh->recovery);
        std::fflush(stdout);
    } else if (fresh && fresh->recovery) {
        uninterrupted.emplace();
    }
    auto answered = ask(machine, store, std::move(proof), wanted);
    if (!answered) {
        if (fresh) settle(*fresh, answered.error(), shown);
        return std::move(answered).error();
    }
    Json answer = std::move(answered).value();
    if (fresh && fresh->file) {
        if (auto kept = fresh->file->keep_as(fresh->file->path()); !kept)
            fmt::print(stderr, "reelfs: warning: {}\n", kept.error().message());
    }
    if (arguments.store.json) {
        if (fresh && fresh->recovery) answer["recovery_key"] = *fresh->recovery;
        fmt::print("{}\n", dump_json(answer, 2));
        std::fflush(stdout);
        return done();
    }
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
