// Secret keys and the pool of locked memory behind them.
//
// The pool grows by slabs of 128 cells and never shrinks: its size is that of the most keys ever
// held at once. A cell is wiped before it returns to the pool, so a free cell holds zeros. The pool
// lives until the process ends (keys in static objects may outlive main).
#include "reelfs/crypto/secret.h"

#include <sodium.h>

#include <new>
#include <utility>

#include "crypto/prepare.h"
#include "crypto/raw.h"
#include "crypto/require.h"
#include "reelfs/base/mutex.h"

namespace reelfs::crypto {

namespace {

class CellPool {
  public:
    std::byte* take() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        if (free_.empty()) grow();
        std::byte* cell = free_.back();
        free_.pop_back();
        return cell;
    }

    void give_back(std::byte* cell) noexcept EXCLUDES(mutex_) {
        sodium_memzero(cell, kKeyBytes);
        MutexLock lock(mutex_);
        free_.push_back(cell);  // never allocates: grow() reserved room for every cell there is
    }

  private:
    static constexpr std::size_t kCellsPerSlab = 128;  // one page

    void grow() REQUIRES(mutex_) {
        free_.reserve(cells_ + kCellsPerSlab);
        prepare_sodium();
        auto* slab = static_cast<std::byte*>(sodium_allocarray(kCellsPerSlab, kKeyBytes));
        if (slab == nullptr) throw std::bad_alloc();
        sodium_memzero(slab, kCellsPerSlab * kKeyBytes);
        for (std::size_t i = kCellsPerSlab; i-- > 0;) free_.push_back(slab + i * kKeyBytes);
        cells_ += kCellsPerSlab;
    }

    Mutex mutex_;  // innermost: nothing else is locked under it
    std::vector<std::byte*> free_ GUARDED_BY(mutex_);
    std::size_t cells_ GUARDED_BY(mutex_) = 0;
};

CellPool& pool() {
    static CellPool* const instance = new CellPool;
    return *instance;
}

}  // namespace

SecretKey::SecretKey() : memory_(pool().take()) {}

SecretKey SecretKey::from(Bytes exactly_32_bytes) {
    require(exactly_32_bytes.size() == kKeyBytes, "a key that is not 32 bytes long");
    SecretKey key;
    std::memcpy(key.memory_, exactly_32_bytes.data(), kKeyBytes);
    return key;
}

SecretKey SecretKey::random(Random& random) {
    SecretKey key;
    random.fill({key.memory_, kKeyBytes});
    return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
    if (this != &other) {
        if (memory_ != nullptr) pool().give_back(memory_);
        memory_ = std::exchange(other.memory_, nullptr);
    }
    return *this;
}

SecretKey::~SecretKey() {
    if (memory_ != nullptr) pool().give_back(memory_);
}

SecretKey SecretKey::clone() const {
    return from(view());
}

Bytes SecretKey::view() const {
    require(memory_ != nullptr, "use of a key that was moved away");
    return {memory_, kKeyBytes};
}

SecretKey derive(const SecretKey& key, std::string_view label, Bytes context) {
    require(label.size() <= 255, "a label of more than 255 bytes");
    SecretKey subkey;
    const auto label_bytes = static_cast<unsigned char>(label.size());
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, raw(key.view().data()), kKeyBytes, kKeyBytes);
    crypto_generichash_update(&hash, &label_bytes, 1);
    crypto_generichash_update(&hash, raw(bytes_of(label).data()), label.size());
    crypto_generichash_update(&hash, raw(context.data()), context.size());
    crypto_generichash_final(&hash, raw(subkey.memory_), kKeyBytes);
    sodium_memzero(&hash, sizeof hash);
    return subkey;
}

void wipe(MutableBytes bytes) {
    sodium_memzero(bytes.data(), bytes.size());
}

bool equal_in_constant_time(Bytes a, Bytes b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace reelfs::crypto
