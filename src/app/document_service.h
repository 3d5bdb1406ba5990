// Requests on documents of containers, carried out on an open store.
#pragma once

#include <optional>

#include "app/protocol.h"
#include "reelfs/core/tree.h"

namespace reelfs::app {

/// Nothing for requests on something else.
std::optional<Answer> answer_document(core::Tree& tree, const Request& request);

}  // namespace reelfs::app
