// Asking a person for a passphrase, without echo, on the terminal (not stdin, which may be a pipe).
#pragma once

#include <string>

#include "reelfs/base/result.h"

namespace reelfs::app {

/// A person sits there: stdin is a terminal, and it can be opened.
bool has_terminal();

/// kInvalid when there is no terminal or nothing was typed.
Result<std::string> ask_passphrase(const std::string& question);
/// Asks twice; kInvalid when the answers differ.
Result<std::string> ask_new_passphrase();

}  // namespace reelfs::app
