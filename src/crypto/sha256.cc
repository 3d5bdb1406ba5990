// See sha256.h. libsodium's state structures are kept as bytes, so that the header shows nothing of
// libsodium.
#include "reelfs/crypto/sha256.h"

#include <sodium.h>

#include <new>

#include "crypto/prepare.h"
#include "crypto/raw.h"

namespace reelfs::crypto {

static_assert(sizeof(crypto_hash_sha256_state) <= 128);
static_assert(alignof(crypto_hash_sha256_state) <= 16);
static_assert(crypto_hash_sha256_BYTES == std::tuple_size_v<Digest>);

namespace {
crypto_hash_sha256_state* sodium_state(std::array<std::byte, 128>& state) {
    return std::launder(reinterpret_cast<crypto_hash_sha256_state*>(state.data()));
}
}  // namespace

Sha256::Sha256() {
    prepare_sodium();
    crypto_hash_sha256_init(new (state_.data()) crypto_hash_sha256_state);
}

void Sha256::update(Bytes bytes) {
    crypto_hash_sha256_update(sodium_state(state_), raw(bytes.data()), bytes.size());
}

Digest Sha256::finish() {
    Digest digest;
    crypto_hash_sha256_final(sodium_state(state_), raw(digest.data()));
    return digest;
}

Digest sha256(Bytes bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

Digest hmac_sha256(Bytes key, Bytes message) {
    prepare_sodium();
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, raw(key.data()), key.size());
    crypto_auth_hmacsha256_update(&state, raw(message.data()), message.size());
    Digest digest;
    crypto_auth_hmacsha256_final(&state, raw(digest.data()));
    sodium_memzero(&state, sizeof state);
    return digest;
}

}  // namespace reelfs::crypto
