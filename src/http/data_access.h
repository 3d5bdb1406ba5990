// Who may write and list: asked first by every such request, on a pool thread, before anything is
// looked up. Reading is decided where an object is opened, since it may depend on the object.
#pragma once

#include <optional>

#include "http/request_gate.h"
#include "http/response.h"
#include "http/server_state.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

/// A request on data and who sends it. Views: for as long as the request is served.
struct Asker {
    const RequestHead& head;
    const Authenticated& who;
    Arrival arrival;
};

/// Nothing when it may do this to `path` of a container; else what to answer.
std::optional<Response> refuse_access(ServerState& state, const Asker& asker, Action action,
                                      std::string_view container, const Components& path);

}  // namespace reelfs::http
