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
    /// What was asked for is not there, or not so far, and a delivery rule lets it be waited for.
    std::int64_t hold_ms = 0;

    /// Never blocks. False: run() must go on from here.
    bool run_cached(ServerState& state, const RequestHead& head);
    void run(ServerState& state, const RequestHead& head);

    // The steps that these are made of, for a request that is held
    void plan(ServerState& state, const RequestHead& head,
              std::shared_ptr<core::ObjectReader> opened);
    void fail(ServerState& state, const RequestHead& head, const Error& error);
    /// Never blocks. False: read_first() must do it.
    bool read_first_cached();
    void read_first(ServerState& state, const RequestHead& head);

  private:
    bool planned_ = false;
};

}  // namespace reelfs::http
