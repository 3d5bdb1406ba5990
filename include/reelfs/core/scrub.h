// Every byte of content read and authenticated, while the store is in use or not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

/// Bytes of a file that cannot be had any more, or (length 0) an extent whose header alone is bad.
struct Damage {
    ContainerId container;
    NodeId node;  // 0: not found
    ExtentId extent;
    std::uint64_t offset = 0;  // in the file
    std::uint64_t length = 0;
    std::string path;  // "/container/folder/name"; "" when no name leads to it
    std::string what;
};
/// "/media/a.mp4: bytes 8192 to 16383 are damaged (node 12, extent 7: ...)"
std::string describe(const Damage& damage);

struct ScrubOptions {
    /// Go on where the last one stopped, and remember where this one stops. A check does neither.
    bool resumable = true;
    /// Begin again, whatever was remembered.
    bool from_start = false;
};

struct ScrubReport {
    bool complete = false;  // false: cancelled, and to be resumed
    bool resumed = false;
    std::uint64_t extents = 0;  // of this pass, with those before it was resumed
    std::uint64_t bytes = 0;
    std::uint64_t damaged = 0;
    Timestamp started;
    std::vector<std::string> lines;  // one for each damage, at most limits::findings_max
};

}  // namespace reelfs::core
