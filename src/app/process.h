// What the daemon asks of the kernel for itself.
#pragma once

#include <string>

#include "reelfs/base/fd.h"
#include "reelfs/base/result.h"

namespace reelfs::app {

/// umask 077; not dumpable (keys never reach a core file or another process's ptrace); as many
/// descriptors and as much locked memory as a busy server needs, or as allowed; never blocked on
/// its own dirty pages where that may be asked for (PR_SET_IO_FLUSHER, which keeps a file system in
/// user space from waiting for itself).
///
/// Some of it takes root's rights: call before they are given up.
void harden_process();

/// Blocks SIGTERM, SIGINT and SIGHUP in this thread and those it makes, and gives a descriptor they
/// can be read from; ignores SIGPIPE.
Result<Fd> take_signals();

/// Prometheus text about this process: resident memory, open descriptors, version.
std::string process_metrics();

}  // namespace reelfs::app
