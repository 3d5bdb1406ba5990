// AES-256-GCM under one key, many nonces. Ciphertext is as long as plaintext; the 16-byte tag
// stands apart. libsodium and OpenSSL give the same bytes; initialize() picks the faster one. The
// caller guarantees that a nonce is used once per key (content: block number under a fresh subkey
// per extent; see extent codec).
#pragma once

#include <array>
#include <memory>

#include "reelfs/base/bytes.h"
#include "reelfs/crypto/secret.h"

namespace reelfs::crypto {

inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;
using Nonce = std::array<std::byte, kNonceBytes>;

class AesGcm;

/// Not thread-safe: one AeadKey is used by one thread at a time. It keeps its own expanded key; the
/// SecretKey may go. Moved from, it may be destroyed or assigned to, nothing else.
class AeadKey {
  public:
    /// kSodium falls back to OpenSSL on a CPU without AES instructions.
    enum class Provider { kFastest, kSodium, kOpenssl };
    /// Expands the key once. Cheap enough for one key per extent (well under a microsecond).
    explicit AeadKey(const SecretKey& key, Provider provider = Provider::kFastest);
    AeadKey(AeadKey&&) noexcept;
    AeadKey& operator=(AeadKey&&) noexcept;
    ~AeadKey();

    /// cipher.size() == plain.size() <= 2^31 - 1; tag.size() == 16. `cipher` may be `plain` exactly
    /// (in place), else they do not overlap. Never fails: a broken library stops the process rather
    /// than let plaintext out.
    void seal(const Nonce& nonce, Bytes associated, Bytes plain, MutableBytes cipher,
              MutableBytes tag);
    /// False, and `plain` wiped, when anything does not match. In place allowed.
    [[nodiscard]] bool open(const Nonce& nonce, Bytes associated, Bytes cipher, Bytes tag,
                            MutableBytes plain);

  private:
    std::unique_ptr<AesGcm> gcm_;
};

/// What kFastest stands for on this machine: kSodium or kOpenssl. Measures if nobody has yet.
AeadKey::Provider fastest_provider();

}  // namespace reelfs::crypto
