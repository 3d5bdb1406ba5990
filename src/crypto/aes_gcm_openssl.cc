// AES-256-GCM by OpenSSL: on any CPU, and wide vector code where there is some. One context serves
// both directions; each call sets direction and nonce and keeps the expanded key, which OpenSSL
// wipes with the context. The cipher is fetched once: a fetch by name per key costs a microsecond.
#include <openssl/evp.h>

#include "crypto/aes_gcm.h"
#include "crypto/raw.h"
#include "crypto/require.h"

namespace reelfs::crypto {

namespace {

const EVP_CIPHER* cipher_aes_256_gcm() {
    static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    require(cipher != nullptr, "OpenSSL has no AES-256-GCM on this machine");
    return cipher;
}

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

enum Direction : int { kOpen = 0, kSeal = 1 };

class OpensslGcm final : public AesGcm {
  public:
    explicit OpensslGcm(const SecretKey& key) : context_(EVP_CIPHER_CTX_new()) {
        require(context_ != nullptr &&
                    EVP_EncryptInit_ex2(context_.get(), cipher_aes_256_gcm(),
                                        raw(key.view().data()), nullptr, nullptr) == 1,
                "OpenSSL cannot expand a key");
    }

    void seal(const Nonce& nonce, Bytes associated, Bytes plain, MutableBytes cipher,
              MutableBytes tag) override {
        int length = 0;
        unsigned char rest[16];
        const bool sealed =
            run(kSeal, nonce, associated, plain, cipher) &&
            EVP_EncryptFinal_ex(context_.get(), rest, &length) == 1 &&
            EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1;
        require(sealed, "OpenSSL failed to seal");
    }

    bool open(const Nonce& nonce, Bytes associated, Bytes cipher, Bytes tag,
              MutableBytes plain) override {
        int length = 0;
        unsigned char rest[16];
        std::array<std::byte, kTagBytes> expected;
        std::memcpy(expected.data(), tag.data(), kTagBytes);
        const bool authentic = run(kOpen, nonce, associated, cipher, plain) &&
                               EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                                                   expected.data()) == 1 &&
                               EVP_DecryptFinal_ex(context_.get(), rest, &length) == 1;
        if (!authentic) wipe(plain);
        return authentic;
    }

  private:
    bool run(Direction direction, const Nonce& nonce, Bytes associated, Bytes from,
             MutableBytes to) {
        EVP_CIPHER_CTX* context = context_.get();
        int length = 0;
        if (EVP_CipherInit_ex2(context, nullptr, nullptr, raw(nonce.data()), direction, nullptr) !=
            1)
            return false;
        if (!associated.empty() &&
            EVP_CipherUpdate(context, nullptr, &length, raw(associated.data()),
                             static_cast<int>(associated.size())) != 1)
            return false;
        return from.empty() || (EVP_CipherUpdate(context, raw(to.data()), &length, raw(from.data()),
                                                 static_cast<int>(from.size())) == 1 &&
                                static_cast<std::size_t>(length) == from.size());
    }

    std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context_;
};

}  // namespace

std::unique_ptr<AesGcm> make_openssl_gcm(const SecretKey& key) {
    return std::make_unique<OpensslGcm>(key);
}

}  // namespace reelfs::crypto
