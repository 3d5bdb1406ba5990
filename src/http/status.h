// The one place where an Errc becomes an HTTP status, and where error bodies are made. What a peer
// is told is a fixed sentence: an Error's own message may name packs, rows or paths of the machine
// and goes to the log.
#pragma once

#include <string>
#include <string_view>

#include "reelfs/base/error.h"

namespace reelfs::http {

struct Fault {
    int status = 500;
    std::string_view type;  // x-amzn-ErrorType; static text
    std::string message;
};

/// For a data request on `path` (decoded bytes, for the message).
Fault fault_of(Errc code, std::string_view path);
Fault container_not_found(std::string_view name);
/// For a status that no Errc led to (400 by the gate, 405, 412, 416, 503).
Fault fault_of_status(int status, std::string_view message);

/// {"Code": ..., "Message": ...}; bytes that are not UTF-8 become U+FFFD.
std::string error_json(const Fault& fault);

/// "Not Found" for 404.
std::string_view reason_phrase(int status);

}  // namespace reelfs::http
