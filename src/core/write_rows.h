// A planned change of a file's map, written as catalog rows: slices, extents, counts of shared
// blocks, and the ranges of packs that it frees. Extents that are not shared never touch the
// counts.
#pragma once

#include "reelfs/catalog/catalog.h"
#include "reelfs/model/file_map.h"

namespace reelfs::core {

/// The sealed bytes of a new extent that lives in the catalog; nothing for one in a pack.
using InlineBytesOf = std::function<std::optional<Bytes>(ExtentId)>;

/// `map` is the file's map before the edit.
Result<void> write_edit(catalog::Writer& w, NodeId node, const FileMap& map, const MapEdit& edit,
                        const InlineBytesOf& inline_bytes);

}  // namespace reelfs::core
