// SHA-256 and HMAC-SHA-256, by libsodium: what AWS Signature Version 4 is made of. Bodies are
// hashed by http/body_hash.h, which uses the CPU's instructions. Not for anything stored unsealed:
// an unkeyed hash tells who knows the plaintext that it is there.
#pragma once

#include <array>

#include "reelfs/base/bytes.h"

namespace reelfs::crypto {

using Digest = std::array<std::byte, 32>;

/// Of bytes that arrive in pieces. One thread at a time. Copying forks it.
class Sha256 {
  public:
    Sha256();
    void update(Bytes bytes);
    /// Call once; then only assign to it or let it go.
    Digest finish();

  private:
    alignas(16) std::array<std::byte, 128> state_;
};

Digest sha256(Bytes bytes);

/// `key` may have any length.
Digest hmac_sha256(Bytes key, Bytes message);

}  // namespace reelfs::crypto
