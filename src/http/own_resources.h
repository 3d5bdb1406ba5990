// What we answer about ourselves: /~reelfs/health and /~reelfs/time on the public listener;
// /healthz, /readyz and /metrics on the admin one.
#pragma once

#include "http/response.h"
#include "http/route.h"
#include "http/server_state.h"

namespace reelfs::http {

Response answer_health();
/// UTC with milliseconds, as DASH's urn:mpeg:dash:utc:http-iso:2014 wants it.
Response answer_time(const Clock& clock);

/// POST / is where the control plane will be.
Response answer_control();

/// May call into the owner of the process (degraded, extra_metrics): on a pool thread.
Response answer_admin(AdminResource resource, ServerState& state);

}  // namespace reelfs::http
