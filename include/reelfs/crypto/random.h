// The machine's randomness, by libsodium (getrandom).
#pragma once

#include "reelfs/base/random.h"

namespace reelfs::crypto {

/// Call once at start, before anything else of this module; idempotent and thread-safe. Prepares
/// libsodium (stops the process if it cannot) and measures, in one or two milliseconds, which
/// AES-256-GCM provider is faster here (libsodium where the CPU has AES, OpenSSL anywhere).
void initialize();

/// Stateless, thread-safe.
class SystemRandom final : public Random {
  public:
    void fill(MutableBytes out) override;
};

}  // namespace reelfs::crypto
