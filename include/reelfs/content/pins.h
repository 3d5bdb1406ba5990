// Plaintext that stays where it is while it is held: pieces of opened blocks, in order, without a
// copy. A piece smaller than half its block is a copy instead, so that what is held is at most
// twice what was asked for.
#pragma once

#include <memory>
#include <vector>

#include "reelfs/base/bytes.h"

namespace reelfs::content {

struct PinnedBytes {
    std::shared_ptr<const Buffer> owner;  // null: static storage
    Bytes bytes;
};
using Pins = std::vector<PinnedBytes>;

}  // namespace reelfs::content
