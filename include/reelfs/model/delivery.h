// How an object is delivered over HTTP, as far as its container's rules say. Values only. Those
// that become headers were checked when the rules were put: visible ASCII, blanks, tabs.
#pragma once

#include <cstdint>
#include <string>

namespace reelfs {

/// How an ETag header is written.
enum class EtagForm {
    kByDialect,  // as the request's dialect has it: bare for MediaStore's clients, else quoted
    kQuoted,     // "…": what RFC 9110 wants
    kBare,       // without quotes: what MediaStore sent
};

struct Delivery {
    std::string cache_control;            // unless the object has one stored; "" for none
    std::string not_found_cache_control;  // of a 404; "" for none
    std::string content_type;             // whatever is stored or its name says; "" for none
    std::int64_t hold_ms = 0;             // a GET of what is not there yet waits so long for it
    EtagForm etag = EtagForm::kByDialect;
    bool operator==(const Delivery&) const = default;
};

/// What may be said of an object that is not there.
struct Absence {
    Delivery delivery;
    bool beneath_live_folder = false;  // the folder it would be in has changed a moment ago
};

}  // namespace reelfs
