// The machine's randomness, by libsodium.
#pragma once

#include "reelfs/base/random.h"

namespace reelfs::crypto {

/// Must be called once before anything else of this module; idempotent and thread-safe. Also
/// measures which AES-256-GCM provider (libsodium where the CPU has AES, OpenSSL anywhere) is
/// faster here.
void initialize();

class SystemRandom final : public Random {
  public:
    void fill(MutableBytes out) override;
};

}  // namespace reelfs::crypto
