// The command line: CLI11's picture of it, and the choice of what to run. Parsing fills the plain
// structs of commands.h; nothing else sees CLI11.
#pragma once

namespace reelfs::app {

int run(int argc, char** argv);

}  // namespace reelfs::app
