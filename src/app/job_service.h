// The long jobs of a store, by request: the same in the daemon and in a command that opened the
// store itself.
#pragma once

#include "app/protocol.h"
#include "reelfs/core/job.h"

namespace reelfs::app {

/// "scrub", "backup": for logs and for people.
std::string name_of(const request::JobStart& wanted);

/// In the caller's thread. kInvalid for what is no job.
Result<Json> do_job(core::Volume& volume, const request::JobStart& wanted, core::Job& job);

}  // namespace reelfs::app
