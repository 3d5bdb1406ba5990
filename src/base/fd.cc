#include "reelfs/base/fd.h"

#include <unistd.h>

namespace reelfs {

void Fd::reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace reelfs
