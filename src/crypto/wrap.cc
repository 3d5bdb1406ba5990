#include "reelfs/crypto/wrap.h"

#include <sodium.h>

#include <array>
#include <utility>

#include "crypto/prepare.h"
#include "crypto/raw.h"
#include "crypto/require.h"

namespace reelfs::crypto {

namespace {
constexpr std::size_t kWrapNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kWrapTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(kWrapNonceBytes == 24 && kWrapTagBytes == 16);
}  // namespace

SecretText::SecretText(SecretText&& other) noexcept : text_(other.text_) {
    wipe(other.bytes());
    other.text_.clear();
}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
    if (this == &other) return *this;
    wipe(bytes());
    text_ = other.text_;
    wipe(other.bytes());
    other.text_.clear();
    return *this;
}

SecretText::~SecretText() {
    wipe(bytes());
}

std::vector<std::byte> wrap(const SecretKey& key, Bytes associated, std::string_view secret,
                            Random& random) {
    prepare_sodium();
    std::vector<std::byte> wrapped(kWrapNonceBytes + secret.size() + kWrapTagBytes);
    random.fill(MutableBytes(wrapped).first(kWrapNonceBytes));
    const int sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        raw(wrapped.data() + kWrapNonceBytes), nullptr, raw(bytes_of(secret).data()), secret.size(),
        raw(associated.data()), associated.size(), nullptr, raw(wrapped.data()),
        raw(key.view().data()));
    require(sealed == 0, "libsodium failed to wrap a secret");
    return wrapped;
}

std::optional<SecretText> unwrap(const SecretKey& key, Bytes associated, Bytes wrapped) {
    prepare_sodium();
    if (wrapped.size() < kWrapNonceBytes + kWrapTagBytes) return std::nullopt;
    const Bytes cipher = wrapped.subspan(kWrapNonceBytes);
    SecretText secret(cipher.size() - kWrapTagBytes);
    const int opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
        raw(secret.bytes().data()), nullptr, nullptr, raw(cipher.data()), cipher.size(),
        raw(associated.data()), associated.size(), raw(wrapped.data()), raw(key.view().data()));
    if (opened != 0) return std::nullopt;
    return secret;
}

SecretText random_text(std::size_t size, Random& random) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    constexpr unsigned kFair = 256 / kLetters.size() * kLetters.size();
    SecretText text(size);
    const MutableBytes out = text.bytes();
    std::array<std::byte, 64> drawn{};
    std::size_t done = 0;
    while (done < size) {
        random.fill(drawn);
        for (std::byte byte : drawn) {
            const auto value = std::to_integer<unsigned>(byte);
            if (done == size || value >= kFair) continue;
            out[done++] = static_cast<std::byte>(kLetters[value % kLetters.size()]);
        }
    }
    wipe(drawn);
    return text;
}

}  // namespace reelfs::crypto
