#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "app/commands.h"
#include "app/text.h"
#include "reelfs/crypto/random.h"

namespace reelfs::app {

namespace {

/// Everything the command line can fill, alive until the chosen command has run.
struct Parsed {
    InitArguments init;
    ServeArguments mount;
    ServeArguments serve;
    UmountArguments umount;
    StoreArguments sync;
    StoreArguments status;
    StoreArguments container;
    StoreArguments access;
    KeyArguments key;
    std::string rotated;
    FsckArguments fsck;
    ScrubArguments scrub;
    BackupArguments backup;
    ExportArguments exported;
    StoreArguments job;
    DocumentArguments document;
    std::string user;
    request::TokenCreate token;
    std::string token_lifetime;
    std::string token_id;
    request::ContainerCreate create;
    std::string create_block_size;
    std::string create_mode;
    std::string described;
    std::string limited;
    std::string quota_bytes;
    std::string quota_objects;
    std::string deleted;
    bool version_json = false;
    std::function<Exit(Machine&)> chosen;
};

void add_keys(CLI::App& command, KeyChoice& keys) {
    auto* key = command.add_option("--key-file", keys.key_file, "key file that opens the store");
    auto* phrase = command.add_option("--passphrase-file", keys.passphrase_file,
                                      "file whose first line is the passphrase");
    auto* recovery = command.add_option("--recovery-key-file", keys.recovery_key_file,
                                        "file whose first line is the recovery key");
    key->excludes(phrase);
    recovery->excludes(key)->excludes(phrase);
}

void add_json(CLI::App& command, bool& json) {
    command.add_flag("--json", json, "answer in JSON");
}

void add_init(CLI::App& app, Parsed& parsed) {
    CLI::App& command = *app.add_subcommand("init", "make a store");
    InitArguments& init = parsed.init;
    command.add_option("STORE", init.store, "directory of the new store")->required();
    auto* key = command.add_option("--key-file", init.keys.key_file,
                                   "key file; made (mode 0600) when it does not exist");
    auto* file = command.add_option("--passphrase-file", init.keys.passphrase_file,
                                    "file whose first line is the passphrase");
    auto* ask = command.add_flag("--passphrase", init.keys.ask_passphrase,
                                 "ask for a passphrase on the terminal");
    key->excludes(file)->excludes(ask);
    file->excludes(ask);
    command.add_option("--zone", init.zones, "further directory for content; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--block-size", init.block_size,
                       "block size of new containers: a power of two, 4K to 1M");
    command.add_option("--owner", init.owner,
                       "as root: the user who owns the store, and whom its daemon runs as");
    add_json(command, init.json);
    command.callback(
        [&] { parsed.chosen = [&](Machine& machine) { return run_init(machine, parsed.init); }; });
}

void add_doors(CLI::App& command, ServeArguments& serve) {
    command.add_option("--http", serve.http,
                       "serve HTTP on this address, ADDR:PORT; off loopback for signed requests");
    command.add_option("--region", serve.region, "what signatures are scoped to (us-west-2)");
    command.add_option("--account", serve.account, "12 digits, of ARNs in the access log");
    command.add_option("--domain", serve.domain,
                       "hosts ID.DOMAIN are containers, by their endpoint ids");
    command
        .add_option("--trusted-proxy", serve.trusted_proxies,
                    "address or network whose word on its clients is taken; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--access-log", serve.access_log,
                       "append a line of JSON for each request on data to this file");
    command.add_option("--https", serve.https, "the same over TLS, ADDR:PORT");
    command.add_option("--tls-certificate", serve.tls_certificate,
                       "PEM file: the certificate and its chain");
    command.add_option("--tls-key", serve.tls_key, "PEM file: the certificate's key");
    command.add_flag("--tls-self-signed", serve.tls_self_signed,
                     "make both files where they do not exist yet");
    command.add_option("--admin", serve.admin, "serve /healthz, /readyz and /metrics, ADDR:PORT");
    command.add_option("--admin-token-file", serve.admin_token_file,
                       "file whose first line everybody there has to give; off loopback a must");
    add_keys(command, serve.keys);
    add_json(command, serve.json);
}

void add_mount(CLI::App& app, Parsed& parsed) {
    CLI::App& command = *app.add_subcommand("mount", "mount a store");
    ServeArguments& mount = parsed.mount;
    command.add_option("STORE", mount.store, "the store's directory")->required();
    command.add_option("MOUNTPOINT", mount.mountpoint, "an existing directory")->required();
    command.add_option("-o", mount.options, "mount options, separated by commas")
        ->allow_extra_args(false);
    command.add_flag("--foreground", mount.foreground, "stay in the foreground, log to stderr");
    add_doors(command, mount);
    command.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_mount(machine, parsed.mount); };
    });
}

void add_serve(CLI::App& app, Parsed& parsed) {
    CLI::App& command =
        *app.add_subcommand("serve", "serve a store over HTTP without a mount, in the foreground");
    parsed.serve.foreground = true;
    command.add_flag("--foreground", parsed.serve.foreground, "as it does in any case");
    command.add_option("STORE", parsed.serve.store, "the store's directory")->required();
    add_doors(command, parsed.serve);
    command.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_serve(machine, parsed.serve); };
    });
}

void add_umount(CLI::App& app, Parsed& parsed) {
    CLI::App& command =
        *app.add_subcommand("umount", "unmount, and wait until the daemon has closed the store");
    command
        .add_option("MOUNTPOINT", parsed.umount.mountpoint,
                    "the mountpoint, or a store that is served without one")
        ->required();
    command.add_flag("--force", parsed.umount.force,
                     "also when it is in use, or its daemon is gone or stuck");
    command.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_umount(machine, parsed.umount); };
    });
}

void add_store_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& sync = *app.add_subcommand("sync", "make everything so far survive power loss");
    sync.add_option("STORE", parsed.sync.store, "the store's directory")->required();
    add_keys(sync, parsed.sync.keys);
    add_json(sync, parsed.sync.json);
    sync.callback(
        [&] { parsed.chosen = [&](Machine& machine) { return run_sync(machine, parsed.sync); }; });
    CLI::App& status = *app.add_subcommand("status", "say how a store is doing");
    status.add_option("STORE", parsed.status.store, "the store's directory")->required();
    add_keys(status, parsed.status.keys);
    add_json(status, parsed.status.json);
    status.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_status(machine, parsed.status); };
    });
}

/// One of the container commands: `make` turns what was parsed into the request.
CLI::App& add_container_command(CLI::App& group, Parsed& parsed, const char* name, const char* help,
                                std::function<Result<Request>()> make) {
    CLI::App& command = *group.add_subcommand(name, help);
    command.add_option("--store", parsed.container.store, "the store's directory")->required();
    add_keys(command, parsed.container.keys);
    add_json(command, parsed.container.json);
    command.callback([&parsed, make = std::move(make)] {
        parsed.chosen = [&parsed, make](Machine& machine) {
            auto request = make();
            if (!request) return fail(request.error());
            return run_container(machine, parsed.container, *request);
        };
    });
    return command;
}

Result<Request> creation_of(const Parsed& parsed) {
    request::ContainerCreate create = parsed.create;
    if (!parsed.create_block_size.empty()) {
        RF_TRY(create.block_bytes, parse_block_size(parsed.create_block_size));
    }
    if (!parsed.create_mode.empty()) {
        RF_TRY(create.mode, parse_mode(parsed.create_mode));
    }
    return Request(std::move(create));
}

/// "none", or a number.
Result<std::optional<std::uint64_t>> parse_limit(const std::string& text) {
    if (text == "none") return std::optional<std::uint64_t>();
    RF_TRY(const std::uint64_t limit, parse_size(text));
    return std::optional(limit);
}

Result<Request> quota_of(const Parsed& parsed) {
    request::ContainerQuota quota{.name = parsed.limited, .change = {}};
    if (!parsed.quota_bytes.empty()) {
        RF_TRY(quota.change.bytes, parse_limit(parsed.quota_bytes));
    }
    if (!parsed.quota_objects.empty()) {
        RF_TRY(quota.change.objects, parse_limit(parsed.quota_objects));
    }
    if (!quota.change.bytes && !quota.change.objects)
        return Error(Errc::kInvalid,
                     "say --bytes, --objects, or both; reelfs container describe "
                     "shows what the quota is");
    return Request(std::move(quota));
}

void add_container(CLI::App& app, Parsed& parsed) {
    CLI::App& group =
        *app.add_subcommand("container", "make, list, describe, limit and delete containers");
    group.require_subcommand(1);
    CLI::App& create = add_container_command(group, parsed, "create", "make a container",
                                             [&parsed] { return creation_of(parsed); });
    create.add_option("NAME", parsed.create.name, "1 to 255 of A-Z a-z 0-9 _ -")->required();
    create.add_option("--block-size", parsed.create_block_size, "a power of two, 4K to 1M");
    create.add_option("--mode", parsed.create_mode, "permission bits of its top folder (0755)");
    create.add_option("--profile", parsed.create.profile,
                      "\"mediastore\" turns on AWS MediaStore's limits");
    add_container_command(group, parsed, "list", "list the containers",
                          [] { return Result<Request>(Request(request::ContainerList{})); });
    CLI::App& describe =
        add_container_command(group, parsed, "describe", "say what a container is", [&parsed] {
            return Result<Request>(Request(request::ContainerDescribe{parsed.described}));
        });
    describe.add_option("NAME", parsed.described, "the container")->required();
    CLI::App& quota = add_container_command(group, parsed, "quota", "limit what a container holds",
                                            [&parsed] { return quota_of(parsed); });
    quota.add_option("NAME", parsed.limited, "the container")->required();
    quota.add_option("--bytes", parsed.quota_bytes, "as du counts them: 10G, or none");
    quota.add_option("--objects", parsed.quota_objects, "files, folders and links, or none");
    CLI::App& remove = add_container_command(
        group, parsed, "delete", "delete an empty container and its key",
        [&parsed] { return Result<Request>(Request(request::ContainerDelete{parsed.deleted})); });
    remove.add_option("NAME", parsed.deleted, "the container")->required();
}

struct DocumentCommands {
    DocumentKind kind;  // its name is the command's
    const char* help;
};
constexpr std::array kDocumentCommands{
    DocumentCommands{DocumentKind::kCors, "say which web pages may call a container's objects"},
    DocumentCommands{DocumentKind::kDelivery,
                     "say with which headers objects are sent, and which requests wait"},
    DocumentCommands{DocumentKind::kLifecycle, "say when objects expire"}};

void add_document_command(CLI::App& group, Parsed& parsed, DocumentKind kind, DocumentVerb verb,
                          const char* name, const char* help) {
    CLI::App& command = *group.add_subcommand(name, help);
    DocumentArguments& document = parsed.document;
    command.add_option("CONTAINER", document.container, "the container")->required();
    if (verb == DocumentVerb::kPut)
        command.add_option("FILE", document.file, "the JSON text; - for the standard input")
            ->required();
    command.add_option("--store", document.store.store, "the store's directory")->required();
    add_keys(command, document.store.keys);
    add_json(command, document.store.json);
    command.callback([&parsed, kind, verb] {
        parsed.chosen = [&parsed, kind, verb](Machine& machine) {
            return run_document(machine, parsed.document, kind, verb);
        };
    });
}

void add_documents(CLI::App& app, Parsed& parsed) {
    for (const DocumentCommands& commands : kDocumentCommands) {
        CLI::App& group = *app.add_subcommand(std::string(name_of(commands.kind)), commands.help);
        group.require_subcommand(1);
        add_document_command(group, parsed, commands.kind, DocumentVerb::kPut, "put",
                             "set it, in place of what was set");
        add_document_command(group, parsed, commands.kind, DocumentVerb::kGet, "get",
                             "print it as it was put");
        add_document_command(group, parsed, commands.kind, DocumentVerb::kDelete, "delete",
                             "take it away");
    }
}

/// One of the commands on users and tokens.
CLI::App& add_access_command(CLI::App& group, Parsed& parsed, const char* name, const char* help,
                             std::function<Result<Request>()> make) {
    CLI::App& command = *group.add_subcommand(name, help);
    command.add_option("--store", parsed.access.store, "the store's directory")->required();
    add_keys(command, parsed.access.keys);
    add_json(command, parsed.access.json);
    command.callback([&parsed, make = std::move(make)] {
        parsed.chosen = [&parsed, make](Machine& machine) {
            auto request = make();
            if (!request) return fail(request.error());
            return run_access(machine, parsed.access, *request);
        };
    });
    return command;
}

template <class Wanted>
void add_user_command(CLI::App& group, Parsed& parsed, const char* name, const char* help,
                      Wanted wanted) {
    CLI::App& command = add_access_command(group, parsed, name, help, [&parsed, wanted] {
        Wanted filled = wanted;
        filled.name = parsed.user;
        return Result<Request>(Request(filled));
    });
    command.add_option("NAME", parsed.user, "the user")->required();
}

void add_user(CLI::App& app, Parsed& parsed) {
    CLI::App& group =
        *app.add_subcommand("user", "make and change those who may authenticate over HTTP");
    group.require_subcommand(1);
    add_user_command(group, parsed, "create", "make a user; shows the secret, once",
                     request::UserCreate{});
    add_access_command(group, parsed, "list", "list the users",
                       [] { return Result<Request>(Request(request::UserList{})); });
    add_user_command(group, parsed, "disable", "refuse the user from now on",
                     request::UserEnable{{}, false});
    add_user_command(group, parsed, "enable", "let a disabled user in again",
                     request::UserEnable{{}, true});
    add_user_command(group, parsed, "delete", "delete the user and the access key",
                     request::UserDelete{});
    add_user_command(group, parsed, "rotate", "a new access key; the old one ends at once",
                     request::UserRotate{});
}

void add_token(CLI::App& app, Parsed& parsed) {
    CLI::App& group =
        *app.add_subcommand("token", "make and revoke tokens for encoders that cannot sign");
    group.require_subcommand(1);
    CLI::App& create = add_access_command(
        group, parsed, "create", "make a token; shows it, once", [&parsed]() -> Result<Request> {
            request::TokenCreate wanted = parsed.token;
            RF_TRY(wanted.lifetime, parse_lifetime(parsed.token_lifetime));
            return Request(std::move(wanted));
        });
    create.add_option("--container", parsed.token.container, "the one it is good for")->required();
    create.add_option("--prefix", parsed.token.prefix,
                      "path in the container; it and all below it (all)");
    create.add_option("--actions", parsed.token.actions, "of put, delete, get, head, list")
        ->required();
    create.add_option("--expires", parsed.token_lifetime, "after 90s, 45m, 12h, 7d, or never")
        ->required();
    add_access_command(group, parsed, "list", "list the tokens",
                       [] { return Result<Request>(Request(request::TokenList{})); });
    CLI::App& revoke = add_access_command(group, parsed, "revoke", "end a token", [&parsed] {
        return Result<Request>(Request(request::TokenRevoke{parsed.token_id}));
    });
    revoke.add_option("ID", parsed.token_id, "as token list shows it")->required();
}

void add_new_key(CLI::App& command, KeyArguments& key) {
    auto* file = command.add_option("--new-key-file", key.new_key_file,
                                    "key file; made (mode 0600) when it does not exist");
    auto* phrase = command.add_option("--new-passphrase-file", key.new_passphrase_file,
                                      "file whose first line is the new passphrase");
    auto* ask = command.add_flag("--new-passphrase", key.new_passphrase,
                                 "ask for a passphrase on the terminal");
    auto* recovery = command.add_flag("--new-recovery-key", key.new_recovery_key,
                                      "draw a recovery key and show it, once");
    phrase->excludes(file);
    ask->excludes(file)->excludes(phrase);
    recovery->excludes(file)->excludes(phrase)->excludes(ask);
}

CLI::App& add_key_command(CLI::App& group, Parsed& parsed, const char* name, const char* help,
                          KeyArguments::What what) {
    CLI::App& command = *group.add_subcommand(name, help);
    command.add_option("STORE", parsed.key.store.store, "the store's directory")->required();
    add_keys(command, parsed.key.store.keys);
    add_json(command, parsed.key.store.json);
    command.callback([&parsed, what] {
        parsed.key.what = what;
        parsed.chosen = [&parsed](Machine& machine) { return run_key(machine, parsed.key); };
    });
    return command;
}

void add_key(CLI::App& app, Parsed& parsed) {
    CLI::App& group = *app.add_subcommand("key", "list and change what opens a store");
    group.require_subcommand(1);
    using What = KeyArguments::What;
    add_key_command(group, parsed, "list", "list the key slots", What::kList);
    add_new_key(add_key_command(group, parsed, "add", "add a key", What::kAdd), parsed.key);
    CLI::App& remove = add_key_command(group, parsed, "remove", "remove a key", What::kRemove);
    remove.add_option("SLOT", parsed.key.slot, "its number, as key list shows it")->required();
    CLI::App& change = add_key_command(
        group, parsed, "change", "put a new key in the place of one; by default of the one given",
        What::kChange);
    change.add_option("SLOT", parsed.key.slot, "its number, as key list shows it");
    add_new_key(change, parsed.key);
    CLI::App& rotate = *group.add_subcommand(
        "rotate", "a new key for a container: all its content under it, the old key gone");
    rotate.add_option("STORE", parsed.key.store.store, "the store's directory")->required();
    rotate.add_option("CONTAINER", parsed.rotated, "the container")->required();
    add_keys(rotate, parsed.key.store.keys);
    add_json(rotate, parsed.key.store.json);
    rotate.callback([&parsed] {
        parsed.chosen = [&parsed](Machine& machine) {
            return run_rotate(machine, parsed.key.store, parsed.rotated);
        };
    });
}

void add_fsck(CLI::App& app, Parsed& parsed) {
    CLI::App& command = *app.add_subcommand("fsck", "check a store that is not in use");
    FsckArguments& fsck = parsed.fsck;
    command.add_option("STORE", fsck.store, "the store's directory")->required();
    auto* repair =
        command.add_flag("--repair", fsck.repair, "put right what can be without losing anything");
    command
        .add_flag("--rebuild", fsck.rebuild,
                  "make a lost catalog again from what the packs tell: content, without names")
        ->excludes(repair);
    command.add_flag("--no-content", fsck.no_content, "do not read the content itself");
    add_keys(command, fsck.keys);
    add_json(command, fsck.json);
    command.callback(
        [&] { parsed.chosen = [&](Machine& machine) { return run_fsck(machine, parsed.fsck); }; });
}

void add_scrub(CLI::App& app, Parsed& parsed) {
    CLI::App& command =
        *app.add_subcommand("scrub", "verify all content, while the store is in use or not");
    ScrubArguments& scrub = parsed.scrub;
    command.add_option("STORE", scrub.store.store, "the store's directory")->required();
    command.add_option("--rate", scrub.rate, "bytes a second at most, like 50M");
    auto* restart =
        command.add_flag("--restart", scrub.restart, "not where the last scrub stopped");
    auto* keyless = command.add_flag("--keyless", scrub.keyless,
                                     "by checksum, without a key; of a store that is not in use");
    command.add_option("--zone", scrub.zones, "keyless: a further zone; may be repeated")
        ->allow_extra_args(false)
        ->needs(keyless);
    keyless->excludes(restart);
    add_keys(command, scrub.store.keys);
    add_json(command, scrub.store.json);
    command.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_scrub(machine, parsed.scrub); };
    });
}

void add_backup(CLI::App& app, Parsed& parsed) {
    BackupArguments& arguments = parsed.backup;
    CLI::App& backup = *app.add_subcommand(
        "backup", "copy a store, in use or not, as it is at one moment; again: what is new");
    backup.add_option("STORE", arguments.store.store, "the store's directory")->required();
    backup.add_option("DIRECTORY", arguments.directory, "where the backup is")->required();
    add_keys(backup, arguments.store.keys);
    add_json(backup, arguments.store.json);
    backup.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_backup(machine, parsed.backup); };
    });
    CLI::App& restore = *app.add_subcommand("restore", "make a store from a backup");
    restore.add_option("DIRECTORY", arguments.directory, "where the backup is")->required();
    restore.add_option("STORE", arguments.store.store, "directory of the new store")->required();
    restore.add_option("--owner", arguments.owner,
                       "the user whom the new store belongs to (only root has a choice)");
    add_keys(restore, arguments.store.keys);
    add_json(restore, arguments.store.json);
    restore.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_restore(machine, parsed.backup); };
    });
}

void add_export(CLI::App& app, Parsed& parsed) {
    CLI::App& command =
        *app.add_subcommand("export", "write a container as plain files or as a tar archive");
    ExportArguments& exported = parsed.exported;
    command.add_option("STORE", exported.store.store, "the store's directory")->required();
    command.add_option("CONTAINER", exported.container, "the container")->required();
    command
        .add_option("DESTINATION", exported.destination,
                    "a new directory, a new file NAME.tar, or - for an archive on stdout")
        ->required();
    add_keys(command, exported.store.keys);
    add_json(command, exported.store.json);
    command.callback([&] {
        parsed.chosen = [&](Machine& machine) { return run_export(machine, parsed.exported); };
    });
}

void add_job(CLI::App& app, Parsed& parsed) {
    CLI::App& group = *app.add_subcommand("job", "the long work that a daemon is doing");
    group.require_subcommand(1);
    const auto add = [&](const char* name, const char* help, Request request) {
        CLI::App& command = *group.add_subcommand(name, help);
        command.add_option("STORE", parsed.job.store, "the store's directory")->required();
        add_json(command, parsed.job.json);
        command.callback([&parsed, request] {
            parsed.chosen = [&parsed, request](Machine& machine) {
                return run_job_command(machine, parsed.job, request);
            };
        });
    };
    add("status", "say how far it is", request::JobStatus{});
    add("cancel", "stop it", request::JobCancel{});
}

void add_version(CLI::App& app, Parsed& parsed) {
    CLI::App& command = *app.add_subcommand("version", "print the version");
    add_json(command, parsed.version_json);
    command.callback(
        [&] { parsed.chosen = [&](Machine&) { return run_version(parsed.version_json); }; });
}

Exit parse_and_run(int argc, char** argv) {
    Parsed parsed;
    CLI::App app("sealed media containers as a file system and over HTTP; see reelfs(1)", "reelfs");
    app.set_version_flag("--version", std::string("reelfs ") + REELFS_VERSION);
    app.require_subcommand(1);
    add_init(app, parsed);
    add_mount(app, parsed);
    add_umount(app, parsed);
    add_serve(app, parsed);
    add_store_commands(app, parsed);
    add_container(app, parsed);
    add_documents(app, parsed);
    add_user(app, parsed);
    add_token(app, parsed);
    add_key(app, parsed);
    add_fsck(app, parsed);
    add_scrub(app, parsed);
    add_backup(app, parsed);
    add_export(app, parsed);
    add_job(app, parsed);
    add_version(app, parsed);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
        return static_cast<Exit>(app.exit(asked));
    } catch (const CLI::ParseError& problem) {
        // CLI11 counts a word that is no command as a missing one, and does not name it.
        const bool unknown = argc > 1 && argv[1][0] != '-' && app.get_subcommands().empty();
        fmt::print(
            stderr, "reelfs: {}\nreelfs: run \"reelfs --help\", or see reelfs(1)\n",
            unknown ? fmt::format("unknown command \"{}\"", argv[1]) : std::string(problem.what()));
        const bool fsck = argc > 1 && std::string_view(argv[1]) == "fsck";  // see fsck(8)
        return fsck ? static_cast<Exit>(16) : Exit::kUsage;
    }
    crypto::initialize();
    Machine machine;
    return parsed.chosen(machine);
}

bool is_mount_helper(const char* program) {
    const std::string name = std::filesystem::path(program).filename().string();
    return name == "mount.fuse.reelfs" || name == "mount.reelfs";
}

}  // namespace

int run(int argc, char** argv) {
    try {
        if (argc > 0 && is_mount_helper(argv[0])) {
            crypto::initialize();
            Machine machine;
            return static_cast<int>(run_mount_helper(machine, argc, argv));
        }
        return static_cast<int>(parse_and_run(argc, argv));
    } catch (const std::exception& problem) {
        fmt::print(stderr, "reelfs: unexpected: {}\n", problem.what());
        return static_cast<int>(Exit::kFailed);
    }
}

}  // namespace reelfs::app
