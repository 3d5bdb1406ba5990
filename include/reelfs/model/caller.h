// Who asks, through which door. Policy decides on this; the tree uses it for ownership of what it
// makes.
#pragma once

#include <cstdint>

namespace reelfs {

struct Caller {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t pid = 0;
    std::uint32_t umask = 0;
    bool drops_privileges = false;  // what it changes loses suid and sgid: it has no CAP_FSETID
};

}  // namespace reelfs
