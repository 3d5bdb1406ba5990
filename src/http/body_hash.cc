#include "http/body_hash.h"

#include <openssl/evp.h>

#include <algorithm>

#include "http/text.h"

namespace reelfs::http {

struct BodyHash::State {
    struct Free {
        void operator()(EVP_MD_CTX* done_with) const { EVP_MD_CTX_free(done_with); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
    bool ok = false;
};

BodyHash::BodyHash() : state_(std::make_unique<State>()) {
    state_->ok = state_->context != nullptr &&
                 EVP_DigestInit_ex2(state_->context.get(), EVP_sha256(), nullptr) == 1;
}
BodyHash::~BodyHash() = default;
BodyHash::BodyHash(BodyHash&&) noexcept = default;
BodyHash& BodyHash::operator=(BodyHash&&) noexcept = default;

void BodyHash::add(Bytes bytes) {
    state_->ok =
        state_->ok && EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1;
}

std::optional<Sha256> BodyHash::finish() {
    Sha256 hash;
    auto* out = reinterpret_cast<unsigned char*>(hash.data());
    state_->ok = state_->ok && EVP_DigestFinal_ex(state_->context.get(), out, nullptr) == 1;
    if (!state_->ok) return std::nullopt;
    return hash;
}

std::optional<Sha256> parse_sha256(std::string_view text) {
    Sha256 hash;
    if (text.size() != 2 * hash.size()) return std::nullopt;
    for (std::size_t i = 0; i < hash.size(); ++i) {
        const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        hash[i] = static_cast<std::byte>(high * 16 + low);
    }
    return hash;
}

}  // namespace reelfs::http
