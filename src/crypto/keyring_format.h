// The bytes of a keyring file, to and from values: no keys are used here. The tables of offsets
// stand in man/reelfs-format.5, "KEYRING"; the constants are in keyring_format.cc. Reading accepts
// only what writing would have produced, so two different files never mean the same keyring. Pure
// functions; fuzzed (tests/fuzz/keyring_fuzz.cc).
#pragma once

#include <map>
#include <utility>

#include "reelfs/crypto/keyring.h"

namespace reelfs::crypto::format {

inline constexpr std::size_t kHeadBytes = 960;
inline constexpr std::size_t kBodyTagBytes = 16;
inline constexpr std::size_t kChecksumBytes = 32;
inline constexpr std::size_t kWrapNonceBytes = 24;  // XChaCha20
inline constexpr std::size_t kSlotAssociatedBytes = 96;

struct Slot {
    SlotKind kind = SlotKind::kEmpty;
    PassphraseCost cost{0, 0};  // zero but for passphrases
    std::array<std::byte, 16> salt{};
    std::array<std::byte, kWrapNonceBytes> nonce{};
    std::array<std::byte, kKeyBytes + 16> wrapped{};  // root key, then tag
};

struct Head {
    StoreId store;
    std::uint64_t generation = 0;
    std::array<std::byte, kWrapNonceBytes> body_nonce{};
    std::uint32_t body_bytes = 0;  // of the body's plaintext, padding included
    std::array<Slot, kKeyringSlots> slots{};
};

using ContainerKeys = std::map<std::pair<ContainerId, KeyId>, SecretKey>;

struct Body {
    std::vector<Zone> zones;
    ContainerKeys keys;
};

/// Checks length, magic, checksum, version and every field, in this order.
Result<Head> read_head(Bytes file);
/// `head` is kHeadBytes long.
void write_head(const Head& from, MutableBytes head);
/// Fills the last kChecksumBytes with the checksum of all before them.
void write_checksum(MutableBytes file);

/// What binds a slot: version, number, store, and the slot up to its wrapped key.
std::array<std::byte, kSlotAssociatedBytes> slot_associated(const StoreId& store,
                                                            std::size_t number, const Slot& slot);

/// Whether the cost is one that a slot may have.
bool cost_is_allowed(const PassphraseCost& cost);

/// kInvalid when a zone is none.
Result<void> check_zones(const std::vector<Zone>& zones);
/// Of the padded plaintext.
std::size_t body_size(const Body& body);
/// `plain` is body_size(from) bytes long, and holds keys afterwards: the caller wipes it.
void write_body(const Body& from, MutableBytes plain);
Result<Body> read_body(Bytes plain);

}  // namespace reelfs::crypto::format
