// Who asks through the HTTP door, as policy sees it. Values only.
#pragma once

#include <string>

namespace reelfs {

/// Who a request has been proved to come from: a name of our own, or nobody.
struct Principal {
    std::string name;  // "": nobody, the anonymous principal
    bool is_anonymous() const { return name.empty(); }
};

/// The anonymous principal. Trusted with world-readable files only when it is plainly a person at
/// this machine: see policy/access.h.
struct AnonymousPeer {
    bool peer_is_loopback = false;  // the TCP peer's address
    bool host_is_local = false;     // Host: localhost or a loopback literal
    bool forwarded = false;         // Forwarded, X-Forwarded-For or Via was present
};

}  // namespace reelfs
