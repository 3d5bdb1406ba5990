// Preconditions (RFC 9110 section 13) as a pure function. Entity tags are accepted quoted, as the
// RFC writes them, or bare, as MediaStore's clients got them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/request_gate.h"

namespace reelfs::http {

/// What a representation is known by. A growing file has neither: its bytes are not settled.
struct Validators {
    std::string etag;  // bare; "" for none
    std::optional<std::int64_t> last_modified;
};

enum class Verdict { kProceed, kNotModified, kPreconditionFailed };

/// In the RFC's order: If-Match, else If-Unmodified-Since; then If-None-Match, else
/// If-Modified-Since. For GET and HEAD.
Verdict evaluate_conditions(const RequestHead& head, const Validators& current,
                            std::int64_t now_seconds);

/// Whether a Range may be honoured: there is no If-Range, or it names the current version strongly
/// (an equal strong tag; an equal date that lies at least a second back).
bool range_applies(const RequestHead& head, const Validators& current, std::int64_t now_seconds);

}  // namespace reelfs::http
