// The SHA-256 that an upload leaves with its object: user.reelfs.sha256. It is kept together with
// the ETag of the content it was taken of, and holds for that alone: every change of the content
// draws a new ETag, so none can leave a stale hash behind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reelfs/base/bytes.h"
#include "reelfs/catalog/catalog.h"

namespace reelfs::core {

inline constexpr std::string_view kContentHashName = "user.reelfs.sha256";

/// Sets `row.has_xattrs`; the caller updates the row.
Result<void> set_content_hash(catalog::Writer& w, catalog::NodeRow& row, Bytes sha256);
/// Hex; nothing when there is none, or it is of other content.
Result<std::optional<std::string>> content_hash(catalog::Reader& r, const catalog::NodeRow& row);

}  // namespace reelfs::core
