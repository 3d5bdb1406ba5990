// NextToken of ListItems: the name a page ended at, bound to the folder it was given for, and to a
// quarter of an hour. Nobody gains anything by making one up: it is a position, not a permission;
// the check value is there to tell garbage and tokens of other folders.
//
//     offset  size  what                                   base64url without padding
//          0     8  dies at, seconds since 1970
//          8     8  check value over all else and the folder's path
//         16     n  the name
//
// It names a position, so it stays good while items come and go, and across a restart. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reelfs/base/result.h"

namespace reelfs::http {

std::string make_page_token(std::string_view folder, std::string_view name,
                            std::int64_t now_seconds);
/// The name. kInvalid: no token of ours for this folder, or one that has died.
Result<std::string> read_page_token(std::string_view token, std::string_view folder,
                                    std::int64_t now_seconds);

}  // namespace reelfs::http
