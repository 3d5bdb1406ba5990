// See key_slots.h. Key-encryption keys:
//
//     passphrase     derive(Argon2id(passphrase, salt, cost), "passphrase", salt)
//     key file       derive(BLAKE2b-256(content), "key file", salt)
//     recovery key   derive(the 256 bits, "recovery", salt)
#include "crypto/key_slots.h"

#include <fmt/format.h>
#include <sodium.h>

#include "crypto/prepare.h"
#include "crypto/raw.h"
#include "crypto/recovery_key.h"
#include "crypto/require.h"

namespace reelfs::crypto {

namespace {

static_assert(crypto_pwhash_SALTBYTES == sizeof(format::Slot::salt));
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == format::kWrapNonceBytes);

/// 32 bytes on the stack that do not stay there.
struct WipedKey {
    std::array<std::byte, kKeyBytes> bytes{};
    ~WipedKey() { wipe(bytes); }
};

Result<SecretKey> secret_of(const Passphrase& passphrase, const format::Slot& slot) {
    if (passphrase.text.empty() || passphrase.text.size() > kPassphraseBytesMax)
        return Error(Errc::kInvalid, fmt::format("a passphrase has 1 to {} bytes; this one has {}",
                                                 kPassphraseBytesMax, passphrase.text.size()));
    WipedKey hashed;
    if (crypto_pwhash(raw(hashed.bytes.data()), kKeyBytes, passphrase.text.data(),
                      passphrase.text.size(), raw(slot.salt.data()), slot.cost.operations,
                      slot.cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return Error(Errc::kNoMemory,
                     fmt::format("checking the passphrase needs {} MiB of memory for a moment, and "
                                 "there is less; free some, or use the key file or recovery key",
                                 (slot.cost.memory_bytes + (1u << 20) - 1) >> 20));
    return SecretKey::from(hashed.bytes);
}

Result<SecretKey> secret_of(const KeyFile& file, const format::Slot&) {
    if (file.content.size() < kKeyFileBytesMin || file.content.size() > kKeyFileBytesMax)
        return Error(Errc::kInvalid,
                     fmt::format("a key file has {} to {} bytes; this one has {}: check the path",
                                 kKeyFileBytesMin, kKeyFileBytesMax, file.content.size()));
    WipedKey hashed;
    crypto_generichash(raw(hashed.bytes.data()), kKeyBytes, raw(file.content.data()),
                       file.content.size(), nullptr, 0);
    return SecretKey::from(hashed.bytes);
}

Result<SecretKey> secret_of(const RecoveryKey& key, const format::Slot&) {
    return parse_recovery_key(key.text);
}

std::string_view label_of(SlotKind kind) {
    switch (kind) {
        case SlotKind::kPassphrase:
            return "passphrase";
        case SlotKind::kKeyFile:
            return "key file";
        case SlotKind::kRecovery:
            return "recovery";
        case SlotKind::kEmpty:
            break;
    }
    stop("an empty slot was used");
}

Result<SecretKey> key_encryption_key(const Unlock& unlock, const format::Slot& slot) {
    prepare_sodium();
    RF_TRY(const SecretKey secret,
           std::visit([&](const auto& given) { return secret_of(given, slot); }, unlock));
    return derive(secret, label_of(slot.kind), slot.salt);
}

}  // namespace

SlotKind kind_of(const Unlock& unlock) {
    if (std::holds_alternative<Passphrase>(unlock)) return SlotKind::kPassphrase;
    if (std::holds_alternative<KeyFile>(unlock)) return SlotKind::kKeyFile;
    return SlotKind::kRecovery;
}

std::string_view name_of(SlotKind kind) {
    switch (kind) {
        case SlotKind::kEmpty:
            return "nothing";
        case SlotKind::kPassphrase:
            return "a passphrase";
        case SlotKind::kKeyFile:
            return "a key file";
        case SlotKind::kRecovery:
            return "a recovery key";
    }
    stop("a slot of unknown kind");
}

Result<format::Slot> make_slot(const Unlock& unlock, const PassphraseCost& cost,
                               const StoreId& store, std::size_t number, const SecretKey& root,
                               Random& random) {
    format::Slot slot;
    slot.kind = kind_of(unlock);
    if (slot.kind == SlotKind::kPassphrase) {
        if (!format::cost_is_allowed(cost))
            return Error(Errc::kInvalid,
                         "a passphrase's cost is 1 to 64 operations and 8 KiB to 4 GiB of memory");
        slot.cost = cost;
    }
    random.fill(slot.salt);
    random.fill(slot.nonce);
    RF_TRY(const SecretKey wrapping, key_encryption_key(unlock, slot));
    const auto associated = format::slot_associated(store, number, slot);
    const int sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        raw(slot.wrapped.data()), nullptr, raw(root.view().data()), kKeyBytes,
        raw(associated.data()), associated.size(), nullptr, raw(slot.nonce.data()),
        raw(wrapping.view().data()));
    require(sealed == 0, "libsodium failed to wrap the root key");
    return slot;
}

Result<std::optional<SecretKey>> open_slot(const Unlock& unlock, const format::Slot& slot,
                                           const StoreId& store, std::size_t number) {
    if (slot.kind != kind_of(unlock)) return std::optional<SecretKey>();
    RF_TRY(const SecretKey wrapping, key_encryption_key(unlock, slot));
    const auto associated = format::slot_associated(store, number, slot);
    WipedKey root;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            raw(root.bytes.data()), nullptr, nullptr, raw(slot.wrapped.data()), slot.wrapped.size(),
            raw(associated.data()), associated.size(), raw(slot.nonce.data()),
            raw(wrapping.view().data())) != 0)
        return std::optional<SecretKey>();
    return std::optional<SecretKey>(SecretKey::from(root.bytes));
}

}  // namespace reelfs::crypto
