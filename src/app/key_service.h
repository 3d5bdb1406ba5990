// The part of the store's service that is about keys.
#pragma once

#include <optional>

#include "app/protocol.h"

namespace reelfs::app {

/// For the requests on keys; nothing for any other. Thread-safe; may block on disk, and for as long
/// as a passphrase takes.
std::optional<Answer> answer_key(core::Volume& volume, const Request& request);

}  // namespace reelfs::app
