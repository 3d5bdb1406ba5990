// The machine, made in one place and handed down by reference: disk, randomness, time.
#pragma once

#include "reelfs/base/clock.h"
#include "reelfs/base/disk.h"
#include "reelfs/core/volume.h"
#include "reelfs/crypto/random.h"

namespace reelfs::app {

struct Machine {
    PosixDisk disk;
    crypto::SystemRandom random;
    SystemClock clock;

    core::Environment environment() { return {disk, random, clock}; }
};

}  // namespace reelfs::app
