// AES-256-GCM by libsodium: only where the CPU has AES instructions. The expanded key (512 bytes)
// is wiped when it goes.
#include <sodium.h>

#include "crypto/aes_gcm.h"
#include "crypto/prepare.h"
#include "crypto/raw.h"
#include "crypto/require.h"

namespace reelfs::crypto {

namespace {

/// libsodium takes no null for a message, not even for an empty one.
template <class Byte>
Byte* data_of(std::span<Byte> bytes, std::byte& none) {
    return bytes.empty() ? &none : bytes.data();
}

class SodiumGcm final : public AesGcm {
  public:
    explicit SodiumGcm(const SecretKey& key) {
        crypto_aead_aes256gcm_beforenm(&expanded_, raw(key.view().data()));
    }
    ~SodiumGcm() override { sodium_memzero(&expanded_, sizeof expanded_); }

    void seal(const Nonce& nonce, Bytes associated, Bytes plain, MutableBytes cipher,
              MutableBytes tag) override {
        std::byte none{};
        const int result = crypto_aead_aes256gcm_encrypt_detached_afternm(
            raw(data_of(cipher, none)), raw(tag.data()), nullptr, raw(data_of(plain, none)),
            plain.size(), raw(associated.data()), associated.size(), nullptr, raw(nonce.data()),
            &expanded_);
        require(result == 0, "libsodium failed to seal");
    }

    bool open(const Nonce& nonce, Bytes associated, Bytes cipher, Bytes tag,
              MutableBytes plain) override {
        std::byte none{};
        const int result = crypto_aead_aes256gcm_decrypt_detached_afternm(
            raw(data_of(plain, none)), nullptr, raw(data_of(cipher, none)), cipher.size(),
            raw(tag.data()), raw(associated.data()), associated.size(), raw(nonce.data()),
            &expanded_);
        if (result == 0) return true;
        wipe(plain);
        return false;
    }

  private:
    crypto_aead_aes256gcm_state expanded_;
};

}  // namespace

bool sodium_has_aes_gcm() {
    prepare_sodium();
    return crypto_aead_aes256gcm_is_available() == 1;
}

std::unique_ptr<AesGcm> make_sodium_gcm(const SecretKey& key) {
    return std::make_unique<SodiumGcm>(key);
}

}  // namespace reelfs::crypto
