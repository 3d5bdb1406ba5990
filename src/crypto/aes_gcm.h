// One provider's AES-256-GCM with its expanded key. Sizes have been checked by AeadKey; the
// contract is that of AeadKey. Not thread-safe.
#pragma once

#include <memory>

#include "reelfs/crypto/aead.h"

namespace reelfs::crypto {

class AesGcm {
  public:
    virtual ~AesGcm() = default;
    virtual void seal(const Nonce& nonce, Bytes associated, Bytes plain, MutableBytes cipher,
                      MutableBytes tag) = 0;
    virtual bool open(const Nonce& nonce, Bytes associated, Bytes cipher, Bytes tag,
                      MutableBytes plain) = 0;
};

/// Whether this CPU has the AES and carry-less multiply instructions that libsodium needs.
bool sodium_has_aes_gcm();
std::unique_ptr<AesGcm> make_sodium_gcm(const SecretKey& key);
std::unique_ptr<AesGcm> make_openssl_gcm(const SecretKey& key);

}  // namespace reelfs::crypto
