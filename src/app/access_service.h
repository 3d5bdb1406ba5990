// The part of the store's service that is about users and ingest tokens.
#pragma once

#include "app/protocol.h"

namespace reelfs::app {

/// For the requests on users and tokens; kInvalid for any other. Thread-safe; may block on disk.
/// The answer to user-create, user-rotate and token-create holds a secret: pass it on, never log
/// it.
Answer answer_access(core::Volume& volume, const Request& request);

}  // namespace reelfs::app
