// One function per command; src/app/cmd_<name>.cc each. They print for people (or JSON) and return
// the exit code.
#pragma once

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

Exit run_version(bool json);

}  // namespace reelfs::app
