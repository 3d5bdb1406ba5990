// What Host says about where a request comes from, and addresses as configuration writes them.
// Pure.
#pragma once

#include <string_view>

#include "http/request_gate.h"

namespace reelfs::http {

/// `localhost`, 127.0.0.0/8 or [::1], with or without a port.
bool host_is_local(std::string_view host);

/// A header that only a proxy puts there: Forwarded, Via, X-Forwarded-*, X-Real-IP.
bool was_forwarded(const RequestHead& head);

}  // namespace reelfs::http
