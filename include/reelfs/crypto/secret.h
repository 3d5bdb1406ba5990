// A 256-bit secret in locked, guarded memory that is wiped when it goes. Never printed, never
// copied by accident: clone() is the only way to have two.
//
// Keys come from a pool of slabs made by sodium_malloc (each between guard pages, locked, out of
// core dumps), because a sodium_malloc of its own costs 12 us and four mappings a key: too dear for
// a subkey per extent, and the kernel's limit of mappings would bound the number of containers.
//
// Threads: different keys may be made, used and dropped at once; one key may be read at once.
#pragma once

#include <string_view>

#include "reelfs/base/bytes.h"
#include "reelfs/base/random.h"

namespace reelfs::crypto {

inline constexpr std::size_t kKeyBytes = 32;

class SecretKey {
  public:
    /// Copies; the caller wipes the source. Any other length stops the process.
    static SecretKey from(Bytes exactly_32_bytes);
    static SecretKey random(Random& random);

    /// A key moved from is empty: it may be destroyed or assigned to, nothing else.
    SecretKey(SecretKey&&) noexcept;
    SecretKey& operator=(SecretKey&&) noexcept;
    ~SecretKey();
    SecretKey clone() const;
    /// Whose memory: this key's. Keep the view no longer than the key.
    Bytes view() const;

  private:
    friend SecretKey derive(const SecretKey& key, std::string_view label, Bytes context);
    SecretKey();
    std::byte* memory_ = nullptr;  // a cell of the pool
};

/// Keyed BLAKE2b-256 over (label length in one byte, label, context): a subkey for one purpose.
/// `label` is a fixed word of the format, at most 255 bytes. About 0.3 us.
SecretKey derive(const SecretKey& key, std::string_view label, Bytes context);

/// Wipes memory in a way the compiler keeps.
void wipe(MutableBytes bytes);

/// Whether both are equal, in time that depends on their lengths only.
bool equal_in_constant_time(Bytes a, Bytes b);

}  // namespace reelfs::crypto
