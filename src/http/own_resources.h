// What we answer about ourselves: /~reelfs/health and /~reelfs/time on the public listener;
// /healthz, /readyz and /metrics on the admin one.
#pragma once

#include <optional>
#include <string_view>

#include "http/request_gate.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_state.h"

namespace reelfs::http {

Response answer_health();
/// UTC with milliseconds, as DASH's urn:mpeg:dash:utc:http-iso:2014 wants it.
Response answer_time(const Clock& clock);

/// POST / is where the control plane will be.
Response answer_control();

/// Whom the admin listener does not answer: with a token those without it, else those whose Host is
/// not local (a page that rebinding turned into a local one).
std::optional<Response> refuse_admin(const RequestHead& head, std::string_view token);

/// May call into the owner of the process (degraded, extra_metrics): on a pool thread.
Response answer_admin(AdminResource resource, ServerState& state);

}  // namespace reelfs::http
