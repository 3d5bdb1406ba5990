// CORS on the wire: preflights, and what is added to a container's other responses. The rules are
// the container's (policy/cors.h); they are asked before anybody is authenticated, since a browser
// sends no credentials with a preflight, and they allow nothing but the browser to show what the
// server answers.
//
// A container with rules answers by Origin, so all its responses say `Vary: Origin`, those without
// an Origin too, lest a cache hand out one without CORS headers to a page that needs them. The
// exception is what a rule for all origins ("*") answers: that is the same for everybody who asks
// with an Origin.
//
// Never block: from memory.
#pragma once

#include "http/request_gate.h"
#include "http/response.h"
#include "http/route.h"
#include "reelfs/core/tree.h"

namespace reelfs::http {

/// OPTIONS, which is nothing but CORS here.
Response answer_options(const core::Tree& tree, const RequestHead& head, const Route& route);

/// To a response on a container's data, errors included.
void add_cors(const core::Tree& tree, const RequestHead& head, std::string_view container,
              Response& response);
/// To what every page may read.
void add_cors_for_all(Response& response);

}  // namespace reelfs::http
