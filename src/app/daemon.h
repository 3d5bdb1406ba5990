// The process that serves a store: through a mount, over HTTP, or both.
//
// States:  starting --ready--> serving --signal, stop request, unmounted--> stopping --> gone
//
// Threads made here (others belong to core, fuse and http): "mount" runs Mount::serve, "control"
// the control socket, "stop-watch" exists while stopping. The main thread makes everything, waits
// on one poll(2) for signals and requests to end, and takes everything down in reverse:
// HTTP first (no new work), then the mount, then control, then the volume, then the lock.
//
// Before all that it leaves what takes rights to its keeper (app/keeper.h) and gives its own up
// (app/privileges.h): no store is opened and nobody is answered as root.
#pragma once

#include <string>

#include "app/environment.h"
#include "app/launch.h"
#include "app/mount_options.h"
#include "app/store_access.h"

namespace reelfs::app {

struct DaemonPlan {
    StoreName store;
    std::string mountpoint;  // real path; "" to serve without a mount
    MountWords words;
    std::string admin_token;     // "" for none
    std::string key_file;        // real path of the key that is used, or ""
    std::string control_socket;  // where the runtime directory has it; "" without one
    std::string log_path;        // reopened on SIGHUP; "" when the log is not ours to reopen
    bool json = false;           // readiness as JSON instead of text
    bool quiet = false;          // readiness without a word
};

/// Runs until it is told to stop. `unlock` opens the store. Errors reach `launch`.
Exit run_daemon(Machine& machine, const DaemonPlan& plan, crypto::Unlock unlock, Launch& launch);

}  // namespace reelfs::app
