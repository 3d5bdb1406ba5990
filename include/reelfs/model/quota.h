// What a container may hold, and what it does. Values only.
//
// Bytes are those that files hold, as du(1) counts them: holes count nothing, shared content counts
// for each file, and a file without a name counts until its last user lets go of it. Objects are
// what has a name: files, folders, links and special files below the container's top folder; hard
// links count once.
#pragma once

#include <cstdint>
#include <optional>

namespace reelfs {

struct Quota {
    std::optional<std::uint64_t> bytes;  // nothing: no limit
    std::optional<std::uint64_t> objects;
    bool any() const { return bytes || objects; }
    bool operator==(const Quota&) const = default;
};

struct Usage {
    std::uint64_t bytes = 0;
    std::uint64_t objects = 0;
    bool operator==(const Usage&) const = default;
};

}  // namespace reelfs
