// Pieces of bytes that stay where they are while they are held, in order: what is sent without
// being copied first.
#pragma once

#include <memory>
#include <vector>

#include "reelfs/base/bytes.h"

namespace reelfs {

struct PinnedBytes {
    std::shared_ptr<const Buffer> owner;  // null: static storage
    Bytes bytes;
};
using Pins = std::vector<PinnedBytes>;

}  // namespace reelfs
