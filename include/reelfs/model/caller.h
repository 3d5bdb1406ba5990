// Who asks, through which door. Policy decides on this; the tree uses it for ownership of what it
// makes.
#pragma once

#include <cstdint>
#include <functional>

namespace reelfs {

struct Caller {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t pid = 0;
    std::uint32_t umask = 0;
    bool drops_privileges = false;  // what it changes loses suid and sgid: it has no CAP_FSETID
    /// Whether it belongs to a group besides `gid`; absent: to none. Asked seldom, since to find
    /// out may take a file of /proc. Works as long as the call that it came with.
    std::function<bool(std::uint32_t group)> has_group = nullptr;

    bool belongs_to(std::uint32_t group) const {
        return group == gid || (has_group && has_group(group));
    }
};

}  // namespace reelfs
