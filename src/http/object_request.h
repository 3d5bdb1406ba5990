// GET and HEAD of an object, the part that may block: one job on the pool opens it (names, policy),
// plans the response, and reads the first window, so that a small object costs one hand-over.
//
// Threads: made and consumed by a connection; run() on a pool thread, while the connection waits.
// The reader is let go of on a pool thread too.
#pragma once

#include <memory>
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
    AnonymousPeer peer;

    // Found
    Response response;
    std::shared_ptr<core::ObjectReader>
        reader;    // null when the response is an error or has no body
    Window first;  // the first bytes of the first part; empty when there was no room for it

    void run(ServerState& state, const RequestHead& head);
};

}  // namespace reelfs::http
