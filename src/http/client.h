// Who sends a request: the TCP peer, or, when that is a proxy its owner told us to trust, the
// client the proxy names in Forwarded or X-Forwarded-For. What counts is the last address in the
// list that is no trusted proxy: everything before it is what somebody untrusted said.
//
// A proxy sets one of the two headers and passes the other on as it came, so where both stand and
// name different clients, neither is believed. A request through a trusted proxy whose client is
// not known comes from nobody near: it is never taken for this machine's own.
//
// Pure.
#pragma once

#include <optional>
#include <vector>

#include "http/request_gate.h"
#include "reelfs/http/address.h"

namespace reelfs::http {

struct Client {
    std::optional<IpAddress> address;  // none: behind a proxy, and not known
    bool secure = false;               // TLS, as far as the proxy can tell
    bool proxied = false;              // the TCP peer is a trusted proxy
    bool is_loopback() const { return address && address->is_loopback(); }
    bool operator==(const Client&) const = default;
};

/// `peer` and `secure`: of the connection.
Client client_of(const RequestHead& head, const IpAddress& peer, bool secure,
                 const std::vector<AddressRange>& trusted_proxies);

}  // namespace reelfs::http
