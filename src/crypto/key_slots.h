// Slots: the root key wrapped under what a person has. XChaCha20-Poly1305 with a random 24-byte
// nonce; the associated data binds store, slot number, kind, cost, salt and nonce, so that a slot
// copied to another place or store opens nothing. Pure but for time and memory (Argon2id).
#pragma once

#include <optional>

#include "crypto/keyring_format.h"

namespace reelfs::crypto {

SlotKind kind_of(const Unlock& unlock);
/// "a passphrase", "a key file", ...
std::string_view name_of(SlotKind kind);

/// kInvalid when `unlock` or `cost` cannot be; kNoMemory.
Result<format::Slot> make_slot(const Unlock& unlock, const PassphraseCost& cost,
                               const StoreId& store, std::size_t number, const SecretKey& root,
                               Random& random);

/// The root key; nothing when `unlock` does not fit this slot. Errors as for make_slot.
Result<std::optional<SecretKey>> open_slot(const Unlock& unlock, const format::Slot& slot,
                                           const StoreId& store, std::size_t number);

}  // namespace reelfs::crypto
