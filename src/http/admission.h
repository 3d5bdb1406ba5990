// What follows from a proof that does not hold: the request ends, before anything is looked up.
// What a principal may do is asked later (data_access.h, and where an object is opened).
//
// Each write refused for its credentials is one warning line and counts: an encoder with an old
// password fails silently on its side, and its operator looks here. Being asked first (401) and
// coming back with the right ones is no refusal.
#pragma once

#include <optional>

#include "http/request_gate.h"
#include "http/response.h"
#include "http/server_state.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

/// PUT, POST, DELETE.
bool is_write(const RequestHead& head);

/// Nothing when the request may go on; else what to answer.
std::optional<Response> refuse_proof(ServerState& state, const RequestHead& head,
                                     const Authenticated& who, const Arrival& arrival);

/// WWW-Authenticate, for a 401.
void add_challenge(Response& response);

/// One write was refused, here or by policy: the line and the counter. `fault` names no file.
void note_refused_ingest(ServerState& state, const RequestHead& head, const Fault& fault);

/// One write is asked who it is: a refusal only if no proof follows (challenges.h).
void note_challenge(ServerState& state, const RequestHead& head);
/// Those asked longer ago than `patience_ms` are refused ingests now. Called once a tick.
void give_up_challenges(ServerState& state, std::int64_t patience_ms);

}  // namespace reelfs::http
