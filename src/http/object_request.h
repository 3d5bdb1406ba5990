// GET and HEAD of an object: opens it (names, policy), plans the response, and reads the first
// window. What is in memory is answered on the connection's own thread; the rest is one job on the
// pool, so that a small object costs one hand-over.
//
// Threads: made and consumed by a connection; run() on a pool thread, while the connection waits.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/request_gate.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_state.h"
#include "http/window_budget.h"
#include "reelfs/core/tree.h"
#include "reelfs/model/principal.h"

namespace reelfs::http {

struct ObjectRequest {
    // Asked for
    Route route;
    AccessRequest access;

    // Found
    Response response;
    bool found = false;                // run_cached() or run() has come to its end
    std::optional<Timestamp> expires;  // the object
    std::shared_ptr<core::ObjectReader>
        reader;    // null when the response is an error or has no body
    Window first;  // the first bytes of the first part; empty when there was no room for it

    /// Never blocks. False: run() must go on from here.
    bool run_cached(ServerState& state, const RequestHead& head);
    void run(ServerState& state, const RequestHead& head);

  private:
    void plan(ServerState& state, const RequestHead& head,
              std::shared_ptr<core::ObjectReader> opened);
};

}  // namespace reelfs::http
