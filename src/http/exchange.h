// A request and its answer as the access log tells them, gathered while they happen. Of what is not
// on data (ours, the control plane, what the gate refuses) nothing is told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/access_log.h"
#include "http/client.h"
#include "http/response.h"
#include "http/route.h"
#include "reelfs/http/authenticator.h"

namespace reelfs::http {

struct Exchange {
    Client client;
    Timestamp received;
    std::int64_t received_ns = 0;  // monotonic: the head is here ...
    std::int64_t complete_ns = 0;  // ... the last byte of the request ...
    std::int64_t answered_ns = 0;  // ... the first of the response begins
    std::uint64_t bytes_received = 0;
    std::string request_id;
    std::string container;  // "": not on data
    // With an access log only
    std::string path;
    std::string_view operation;  // "": none of those that are logged
    std::optional<Timestamp> expires;

    /// What is asked for. OPTIONS and what no method of ours is are no operations.
    void note(std::string_view method, std::string_view query, const Route& route);
};

/// How it ended.
struct Ending {
    std::int64_t ns = 0;  // monotonic
    std::uint64_t bytes_sent = 0;
    bool cut = false;   // the response did not get to its end ...
    bool ours = false;  // ... because of us
};

AccessRecord record_of(const Exchange& exchange, const Authenticated& who, const Response& response,
                       const Ending& ending, std::string_view account);

}  // namespace reelfs::http
