// What Host says about where a request comes from, and addresses as configuration writes them.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/request_gate.h"

namespace reelfs::http {

/// `localhost`, 127.0.0.0/8 or [::1], with or without a port.
bool host_is_local(std::string_view host);

/// What stands before `.<domain>` in Host, in lower case: an endpoint id, if it is one. Nothing
/// when Host is of another domain, or the domain itself. `domain` is in lower case.
std::optional<std::string> endpoint_label(std::string_view host, std::string_view domain);

/// A header that only a proxy puts there: Forwarded, Via, X-Forwarded-*, X-Real-IP.
bool was_forwarded(const RequestHead& head);

}  // namespace reelfs::http
