// What the words of a mount say to the HTTP door, checked. Pure.
#pragma once

#include "app/mount_options.h"
#include "reelfs/http/server.h"

namespace reelfs::app {

/// All but what the daemon adds. kInvalid names the option.
Result<http::ServerOptions> server_options_of(const MountWords& words);

}  // namespace reelfs::app
