// Who asks through the HTTP door, as policy sees it. Values only.
#pragma once

namespace reelfs {

/// The anonymous principal. Trusted with world-readable files only when it is plainly a person at
/// this machine: see policy/access.h.
struct AnonymousPeer {
    bool peer_is_loopback = false;  // the TCP peer's address
    bool host_is_local = false;     // Host: localhost or a loopback literal
    bool forwarded = false;         // Forwarded, X-Forwarded-For or Via was present
};

}  // namespace reelfs
