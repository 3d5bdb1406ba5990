// ListItems and DeleteObject: each one job on the pool. A connection makes one, run_*() answers.
#pragma once

#include "http/data_access.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_state.h"

namespace reelfs::http {

/// GET /<container>?Path=&MaxResults=&NextToken=
Response list_items(ServerState& state, const Asker& asker, const Route& route,
                    std::string_view query);

Response delete_object(ServerState& state, const Asker& asker, const Route& route);

}  // namespace reelfs::http
