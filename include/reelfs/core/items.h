// What a folder holds, as ListItems tells it. Values only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

struct Item {
    std::string name;  // valid UTF-8
    bool folder = false;
    // Objects only
    ETag etag;  // none() while it grows
    std::string mime_type;
    Timestamp modified;
    std::uint64_t size = 0;
};

/// Items in bytewise order of their names.
struct ItemPage {
    std::vector<Item> items;
    std::string last;              // the name to go on after
    bool more = false;             // there may be more behind it
    std::uint64_t unlistable = 0;  // names passed over that are not UTF-8
};

}  // namespace reelfs::core
