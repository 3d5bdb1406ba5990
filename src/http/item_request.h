// ListItems and DeleteObject: jobs on the pool.
#pragma once

#include <memory>
#include <optional>

#include "http/data_access.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_state.h"

namespace reelfs::http {

/// GET /<container>?Path=&MaxResults=&NextToken=
Response list_items(ServerState& state, const Asker& asker, const Route& route,
                    std::string_view query);

/// DELETE /<container>/<path>, in two jobs: between them it waits for its turn.
struct DeleteRequest {
    Route route;
    std::uint64_t ticket = 0;  // of Tree::draw_ticket()
    std::unique_ptr<core::Deletion> deletion;
    std::optional<Response> failure;

    void admit(ServerState& state, const Asker& asker);
    void commit();
};

}  // namespace reelfs::http
