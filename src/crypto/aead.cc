// AeadKey checks sizes and hands on to one provider; the choice of provider is measured once per
// process. Both give identical bytes, so the choice never shows on disk.
#include "reelfs/crypto/aead.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "crypto/aes_gcm.h"
#include "crypto/require.h"

namespace reelfs::crypto {

namespace {

constexpr std::size_t kSizeMax = std::numeric_limits<int>::max();

std::unique_ptr<AesGcm> make(const SecretKey& key, AeadKey::Provider provider) {
    if (provider == AeadKey::Provider::kFastest) provider = fastest_provider();
    if (provider == AeadKey::Provider::kSodium && sodium_has_aes_gcm()) return make_sodium_gcm(key);
    return make_openssl_gcm(key);
}

/// The best of several rounds, in nanoseconds, so that being scheduled away does not decide.
std::int64_t round_ns(AesGcm& gcm, MutableBytes block) {
    using Steady = std::chrono::steady_clock;
    constexpr int kRounds = 8;
    constexpr std::uint64_t kSealsPerRound = 4;
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    std::array<std::byte, kTagBytes> tag;
    Nonce nonce{};
    for (int round = 0; round < kRounds; ++round) {
        const auto start = Steady::now();
        for (std::uint64_t i = 0; i < kSealsPerRound; ++i) {
            store_le(nonce.data(), static_cast<std::uint64_t>(round) * kSealsPerRound + i);
            gcm.seal(nonce, {}, block, block, tag);
        }
        best = std::min(best, std::chrono::nanoseconds(Steady::now() - start).count());
    }
    return best;
}

AeadKey::Provider measure() {
    if (!sodium_has_aes_gcm()) return AeadKey::Provider::kOpenssl;
    const std::array<std::byte, kKeyBytes> zeros{};
    const SecretKey key = SecretKey::from(zeros);
    std::vector<std::byte> block(16 * 1024);  // the default block: what content mostly seals
    const std::int64_t sodium_ns = round_ns(*make_sodium_gcm(key), block);
    const std::int64_t openssl_ns = round_ns(*make_openssl_gcm(key), block);
    return openssl_ns < sodium_ns ? AeadKey::Provider::kOpenssl : AeadKey::Provider::kSodium;
}

}  // namespace

AeadKey::Provider fastest_provider() {
    static const AeadKey::Provider provider = measure();
    return provider;
}

AeadKey::AeadKey(const SecretKey& key, Provider provider) : gcm_(make(key, provider)) {}
AeadKey::AeadKey(AeadKey&&) noexcept = default;
AeadKey& AeadKey::operator=(AeadKey&&) noexcept = default;
AeadKey::~AeadKey() = default;

void AeadKey::seal(const Nonce& nonce, Bytes associated, Bytes plain, MutableBytes cipher,
                   MutableBytes tag) {
    require(cipher.size() == plain.size() && plain.size() <= kSizeMax && tag.size() == kTagBytes &&
                associated.size() <= kSizeMax,
            "seal with sizes that do not fit");
    gcm_->seal(nonce, associated, plain, cipher, tag);
}

bool AeadKey::open(const Nonce& nonce, Bytes associated, Bytes cipher, Bytes tag,
                   MutableBytes plain) {
    require(cipher.size() == plain.size() && plain.size() <= kSizeMax && tag.size() == kTagBytes &&
                associated.size() <= kSizeMax,
            "open with sizes that do not fit");
    return gcm_->open(nonce, associated, cipher, tag, plain);
}

}  // namespace reelfs::crypto
