// What a script sees of an error: the exit code. The table stands in reelfs(1), "EXIT STATUS".
#pragma once

#include "reelfs/base/error.h"

namespace reelfs::app {

enum class Exit : int {
    kOk = 0,
    kFailed = 1,       // the disk, the network, the kernel: see the message
    kUsage = 2,        // the command line, a mount option or a value is wrong; nothing was done
    kWrongKey = 3,     // no key was found, or it does not open this store
    kBusy = 4,         // already served, mountpoint busy, address taken, not empty
    kNotFound = 5,     // no store, mount, container or file there
    kDamaged = 6,      // bytes on disk fail authentication
    kNewerFormat = 7,  // written by a newer reelfs
    kExists = 8,       // the store or container is already there
};

Exit exit_of(Errc code);

/// Prints "reelfs: <message>" on stderr and returns the code of the error.
Exit fail(const Error& error);

}  // namespace reelfs::app
