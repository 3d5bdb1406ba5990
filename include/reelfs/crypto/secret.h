// A 256-bit secret in locked, guarded memory that is wiped when it goes. Never printed, never
// copied by accident: clone() is the only way to have two.
#pragma once

#include "reelfs/base/bytes.h"
#include "reelfs/base/random.h"

namespace reelfs::crypto {

inline constexpr std::size_t kKeyBytes = 32;

class SecretKey {
  public:
    static SecretKey from(Bytes exactly_32_bytes);
    static SecretKey random(Random& random);

    SecretKey(SecretKey&&) noexcept;
    SecretKey& operator=(SecretKey&&) noexcept;
    ~SecretKey();
    SecretKey clone() const;
    /// Whose memory: this key's. Keep the view no longer than the key.
    Bytes view() const;

  private:
    SecretKey();
    std::byte* memory_ = nullptr;  // sodium_malloc
};

/// Keyed BLAKE2b-256 over (label, context): a subkey for one purpose. `label` is a fixed word of
/// the format.
SecretKey derive(const SecretKey& key, std::string_view label, Bytes context);

/// Wipes memory in a way the compiler keeps.
void wipe(MutableBytes bytes);

}  // namespace reelfs::crypto
