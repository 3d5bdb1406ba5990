// Who may write and list: asked first by every such request, on a pool thread, before anything is
// looked up. Reading is decided where an object is opened, since it may depend on the object.
#pragma once

#include <optional>

#include "http/request_gate.h"
#include "http/response.h"
#include "http/server_state.h"

namespace reelfs::http {

enum class DataAction { kPutObject, kDeleteObject, kListItems };

/// Nothing when it may; else what to answer.
std::optional<Response> refuse_access(ServerState& state, const RequestHead& head,
                                      DataAction action);

}  // namespace reelfs::http
