// The query of ListItems, as it comes from outside. Pure; tests/fuzz/item_query_fuzz.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reelfs/base/result.h"
#include "reelfs/model/limits.h"
#include "reelfs/model/names.h"

namespace reelfs::http {

struct ItemQuery {
    Components folder;
    std::size_t max = limits::items_page_max;
    std::string after;  // a name; "" for the beginning
};

/// kInvalid, with a sentence for the peer. Keys that are none of these are ignored.
Result<ItemQuery> parse_item_query(std::string_view container, std::string_view query,
                                   std::int64_t now_seconds);

/// Where the next page of this folder begins.
std::string next_item_token(std::string_view container, const Components& folder,
                            std::string_view last, std::int64_t now_seconds);

}  // namespace reelfs::http
