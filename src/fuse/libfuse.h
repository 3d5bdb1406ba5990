// libfuse's header with the version of its interface that reelfs is written for: 3.12 is the newest
// that Debian 12 and Ubuntu 24.04 (3.14.0) offer, and later releases keep it.
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

// From 3.17 on libfuse itself sends PARALLEL_DIROPS, HANDLE_KILLPRIV_V2 and DIRECT_IO_ALLOW_MMAP;
// before, only the patch of the INIT reply on its way out does (init_patch.h).
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define REELFS_PATCH_INIT 0
#else
#define REELFS_PATCH_INIT 1
#endif
