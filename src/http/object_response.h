// GET and HEAD of one object, as a pure function: conditions, then the range, then the fields. See
// range.h for what a growing object answers, and dialect.h: in MediaStore's dialect conditions are
// ignored, and so are several ranges and any range of a growing object; the ETag is bare unless a
// delivery rule says how it is written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/request_gate.h"
#include "http/response.h"
#include "reelfs/base/clock.h"
#include "reelfs/model/delivery.h"

namespace reelfs::http {

/// Cache-Control of what a live packager changes under one name, when nobody says otherwise.
inline constexpr std::string_view kShortLived = "max-age=1";

struct ObjectFacts {
    std::string_view name;      // the last component of the path asked for
    std::string mime_type;      // as stored; "" for none
    std::string cache_control;  // as stored; "" for none
    Delivery delivery = {};     // by the container's rules
    std::string etag;           // bare hex; "" while it grows
    Timestamp modified;
    std::uint64_t size = 0;
    bool growing = false;
};

Response respond_with_object(const RequestHead& head, const ObjectFacts& object, Timestamp now);

}  // namespace reelfs::http
