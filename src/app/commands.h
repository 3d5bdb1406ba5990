// One function per command; src/app/cmd_<name>.cc each. They print for people (or JSON) and return
// the exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/environment.h"
#include "app/exit_code.h"
#include "app/key_source.h"
#include "app/protocol.h"

namespace reelfs::app {

struct InitArguments {
    std::string store;
    KeyChoice keys;
    std::vector<std::string> zones;
    std::string block_size;  // "" for the default
    std::string owner;       // a user's name or number; "" for whoever should have it
    bool json = false;
};
Exit run_init(Machine& machine, const InitArguments& arguments);

struct ServeArguments {
    std::string store;
    std::string mountpoint;  // "" for serve
    std::vector<std::string> options;
    std::string http;
    std::string https;
    std::string tls_certificate;
    std::string tls_key;
    bool tls_self_signed = false;
    std::string admin;
    std::string admin_token_file;
    std::string region;
    std::string account;
    std::string domain;
    std::vector<std::string> trusted_proxies;
    std::string access_log;
    KeyChoice keys;
    bool foreground = false;
    bool json = false;
    bool quiet = false;  // do not say what was mounted
    bool ignore_unknown_options = false;
};
Exit run_mount(Machine& machine, const ServeArguments& arguments);
Exit run_serve(Machine& machine, const ServeArguments& arguments);

/// mount(8)'s convention: mount.fuse.reelfs SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS] ...
Exit run_mount_helper(Machine& machine, int argc, char** argv);

struct UmountArguments {
    std::string mountpoint;  // or a store that is served without a mount
    bool force = false;
};
Exit run_umount(Machine& machine, const UmountArguments& arguments);

struct StoreArguments {
    std::string store;
    KeyChoice keys;
    bool json = false;
};
Exit run_sync(Machine& machine, const StoreArguments& arguments);
Exit run_status(Machine& machine, const StoreArguments& arguments);
/// create, list, describe, quota and delete differ in the request only.
Exit run_container(Machine& machine, const StoreArguments& arguments, const Request& request);

/// Documents of containers; they differ in the request only.
struct DocumentArguments {
    StoreArguments store;
    std::string container;
    std::string file;  // of the text to put; "-" for the standard input
};
enum class DocumentVerb { kPut, kGet, kDelete };
Exit run_document(Machine& machine, const DocumentArguments& arguments, DocumentKind kind,
                  DocumentVerb verb);

/// Users and ingest tokens; they differ in the request only.
Exit run_access(Machine& machine, const StoreArguments& arguments, const Request& request);

struct KeyArguments {
    enum class What { kList, kAdd, kRemove, kChange };
    What what = What::kList;
    StoreArguments store;
    std::optional<std::uint64_t> slot;
    std::string new_key_file;
    std::string new_passphrase_file;
    bool new_passphrase = false;
    bool new_recovery_key = false;
};
Exit run_key(Machine& machine, const KeyArguments& arguments);

struct ScrubArguments {
    StoreArguments store;
    std::string rate;  // bytes a second; "" for as fast as it goes
    bool restart = false;
    bool keyless = false;
    std::vector<std::string> zones;  // keyless: further ones
};
Exit run_scrub(Machine& machine, const ScrubArguments& arguments);

struct BackupArguments {
    StoreArguments store;
    std::string directory;  // of the backup
    std::string owner;      // of a restored store: a user, or "" for whoever should have it
};
Exit run_backup(Machine& machine, const BackupArguments& arguments);
Exit run_restore(Machine& machine, const BackupArguments& arguments);
Exit run_rotate(Machine& machine, const StoreArguments& arguments, const std::string& container);

struct ExportArguments {
    StoreArguments store;
    std::string container;
    std::string destination;  // a directory, a name that ends with .tar, or "-"
};
Exit run_export(Machine& machine, const ExportArguments& arguments);

/// JobStatus or JobCancel.
Exit run_job_command(Machine& machine, const StoreArguments& arguments, const Request& request);

struct FsckArguments {
    std::string store;
    KeyChoice keys;
    bool repair = false;
    bool rebuild = false;
    bool no_content = false;
    bool json = false;
};
/// The exit status is that of fsck(8).
Exit run_fsck(Machine& machine, const FsckArguments& arguments);

Exit run_version(bool json);

}  // namespace reelfs::app
