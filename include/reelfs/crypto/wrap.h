// Wrapping of short secrets under a key: XChaCha20-Poly1305 with a random nonce.
//
//     offset  size  meaning
//     0       24    nonce
//     24      n     ciphertext
//     24 + n  16    tag
//
// And secrets as text, for as long as they must be readable.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reelfs/crypto/secret.h"

namespace reelfs::crypto {

/// Text that is wiped when it goes. Move-only.
class SecretText {
  public:
    SecretText() = default;
    explicit SecretText(std::size_t size) : text_(size, '\0') {}
    SecretText(SecretText&& other) noexcept;
    SecretText& operator=(SecretText&& other) noexcept;
    ~SecretText();

    std::string_view view() const { return text_; }
    MutableBytes bytes() { return std::as_writable_bytes(std::span(text_)); }

  private:
    std::string text_;  // never grows, so no copy is left behind
};

std::vector<std::byte> wrap(const SecretKey& key, Bytes associated, std::string_view secret,
                            Random& random);
/// Nothing when anything does not match.
std::optional<SecretText> unwrap(const SecretKey& key, Bytes associated, Bytes wrapped);

/// `size` characters of A-Z a-z 0-9, each equally likely: 5.95 bits a character.
SecretText random_text(std::size_t size, Random& random);

}  // namespace reelfs::crypto
