// How a short command reaches a store: through the daemon that serves it, or by opening it.
#pragma once

#include <memory>
#include <string>

#include "app/environment.h"
#include "app/key_source.h"
#include "app/protocol.h"
#include "app/store_lock.h"

namespace reelfs::app {

/// How long a command waits for another one that has the store open.
inline constexpr int kShortCommandWaitMs = 10'000;

/// A store named on the command line: its real path and its id.
struct StoreName {
    std::string path;
    StoreId id;
};
/// kNotFound, saying how to make one, when there is none.
Result<StoreName> find_store(Machine& machine, const std::string& path);

/// Asks the daemon that holds the store, or opens the store for this one request. The daemon's
/// answer, or ours. Takes the lock while it has the store open.
Answer ask(Machine& machine, const StoreName& store, const KeyChoice& keys, const Request& request);

/// The same, with the key at hand where the store has to be opened here.
Answer ask(Machine& machine, const StoreName& store, crypto::Unlock unlock, const Request& request);

/// Asks the daemon behind this socket. kNotFound when nobody listens there.
Answer ask_daemon(const std::string& socket_path, const Request& request, int wait_ms);

}  // namespace reelfs::app
