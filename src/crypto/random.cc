// Start of the crypto library, and its randomness. `initialize` may be called from any thread and
// more than once; the parts of this module that need libsodium prepared call prepare_sodium()
// themselves, so a test that forgets initialize() is slower on first use, never wrong.
#include "reelfs/crypto/random.h"

#include <sodium.h>

#include <cstdlib>

#include "crypto/prepare.h"
#include "crypto/require.h"
#include "reelfs/base/log.h"
#include "reelfs/crypto/aead.h"

namespace reelfs::crypto {

void stop(const char* what) {
    log::error("crypto: {}; stopping before anything is written", what);
    std::abort();
}

void prepare_sodium() {
    // sodium_init locks, and returns 1 when it has run before.
    static const bool ready = sodium_init() >= 0;
    require(ready, "libsodium cannot start on this machine (no source of randomness?)");
}

void initialize() {
    prepare_sodium();
    static_cast<void>(fastest_provider());
}

void SystemRandom::fill(MutableBytes out) {
    prepare_sodium();
    randombytes_buf(out.data(), out.size());
}

}  // namespace reelfs::crypto
