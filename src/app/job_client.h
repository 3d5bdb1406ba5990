// How a command gets a long job done: by the daemon that serves the store, whose progress it shows,
// or in this process.
#pragma once

#include "app/store_access.h"

namespace reelfs::app {

/// The job's result. SIGINT and SIGTERM cancel the job, here or there.
Answer run_job(Machine& machine, const StoreName& store, const KeyChoice& keys,
               const request::JobStart& wanted, bool quiet);

}  // namespace reelfs::app
