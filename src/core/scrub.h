// The work behind Volume::scrub(). Goes by extent id, so that one number says how far it is: what
// is written meanwhile has higher ids and is met at the end, what is deleted is not there any more.
#pragma once

#include "core/context.h"
#include "reelfs/core/job.h"
#include "reelfs/core/scrub.h"

namespace reelfs::core {

/// Runs in the caller's thread; holds each extent only while it reads it.
Result<ScrubReport> scrub(Context& context, const ScrubOptions& options, Job& job);

}  // namespace reelfs::core
