// The keyring: one small file, a copy per zone, that turns what a person has (a passphrase, a key
// file or a recovery key) into the keys of the store. Format: man/reelfs-format.5, "KEYRING".
//
//     passphrase   -- Argon2id -->  |
//     key file     -- BLAKE2b -->   |  key-encryption key -- unwraps --> root key
//     recovery key -------------->  |                     -- opens --> body: zones, container keys
//
// Slots wrap the root key with XChaCha20-Poly1305. The body is sealed whole under a key derived
// from the root key, with everything before it as associated data, and carries a generation number,
// so that the newest of several copies wins. Never in SQLite. Not thread-safe: the owner
// (core/keys.h) guards it.
//
// Errors of open and peek: kCorrupt (damaged or altered; says which part), kWrongKey (undamaged,
// but no slot opens), kNewerFormat, kInvalid (what was given cannot be a key: an empty passphrase,
// a mistyped recovery key), kNoMemory (Argon2id). Their sentences say what to do.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "reelfs/base/random.h"
#include "reelfs/base/result.h"
#include "reelfs/crypto/secret.h"
#include "reelfs/model/ids.h"

namespace reelfs::crypto {

inline constexpr std::size_t kKeyringBytesMax = 16u << 20;
inline constexpr std::size_t kKeyringSlots = 8;
inline constexpr std::size_t kKeyFileBytesMin = 32;
inline constexpr std::size_t kKeyFileBytesMax = 4096;
inline constexpr std::size_t kPassphraseBytesMax = 1024;

// What a person unlocks with. The memory is the caller's, who wipes it.
struct Passphrase {
    std::string text;  // 1 to 1024 bytes, taken as they are
};
struct KeyFile {
    std::vector<std::byte> content;  // 32 to 4096 bytes, taken as they are
};
struct RecoveryKey {
    std::string text;  // as printed: 14 groups of four Crockford base32 digits, the last a
                       // checksum; case, blanks and '-' ignored, O read as 0, I and L as 1
};
using Unlock = std::variant<Passphrase, KeyFile, RecoveryKey>;

enum class SlotKind : std::uint8_t { kEmpty = 0, kPassphrase = 1, kKeyFile = 2, kRecovery = 3 };

/// Argon2id cost; tests pass small ones. Stored in the slot. 1 to 64 operations, 8 KiB to 4 GiB.
struct PassphraseCost {
    std::uint64_t operations = 3;
    std::uint64_t memory_bytes = 256u << 20;
    bool operator==(const PassphraseCost&) const = default;
};

struct Zone {
    ZoneId id;
    std::string path;  // absolute, at most 4095 bytes; empty for zone 0, the store itself
    bool operator==(const Zone&) const = default;
};

/// What a keyring says without a key: to choose the newest copy, to find the default key file, to
/// know what to ask for. To be believed only once open() has succeeded.
struct KeyringHead {
    StoreId store;
    std::uint64_t generation = 0;
    std::array<SlotKind, kKeyringSlots> slots{};
};

class Keyring {
  public:
    /// A new keyring with zone 0 and without slots; add at least one before encode(). `random` must
    /// outlive it.
    static Keyring create(const StoreId& store, Random& random);
    /// Opens the file's bytes with any slot that `unlock` fits. Takes the time and the memory that
    /// a passphrase slot's cost says, once for each such slot.
    static Result<Keyring> open(Bytes file, const Unlock& unlock);
    static Result<KeyringHead> peek(Bytes file);
    static Result<StoreId> peek_store_id(Bytes file);
    /// 256 random bits as a RecoveryKey to print once.
    static RecoveryKey make_recovery_key(Random& random);

    const StoreId& store_id() const;
    /// Rises by one with every encode() that succeeds; 0 before the first.
    std::uint64_t generation() const;

    /// Fills the first empty slot and returns its number. kInvalid when all are used or `unlock`
    /// cannot be a key. To change a passphrase: add the new one, remove the old one, encode.
    Result<std::size_t> add_slot(const Unlock& unlock, PassphraseCost cost = {});
    /// Takes over a slot that add_slot() filled in another opened copy of this keyring, so that a
    /// passphrase's cost need not be paid under the owner's lock. kBusy when it is in use here.
    Result<void> take_slot(const Keyring& other, std::size_t slot);
    /// kInvalid for the last one, kNotFound for an empty one. Whoever kept an old copy of the file
    /// and knows the old secret can still open that copy: the root key stays the same.
    Result<void> remove_slot(std::size_t slot);
    /// The kind of each of the kKeyringSlots slots.
    std::vector<SlotKind> slots() const;
    /// The slot that open() opened it with; nothing for one that was created.
    std::optional<std::size_t> opened_slot() const;

    /// In the order of their ids.
    const std::vector<Zone>& zones() const;
    /// Checked by encode().
    void set_zones(std::vector<Zone> zones);

    /// Draws a key for a container: key id 1, or one more than its newest.
    KeyId add_container_key(ContainerId container);
    /// Takes back what add_container_key() drew, as long as nothing was sealed under it.
    void take_back_container_key(ContainerId container, KeyId key);
    /// The last step of a rotation. kInvalid for the newest key, kNotFound when absent.
    Result<void> remove_container_key(ContainerId container, KeyId key);
    /// Forgets all keys of a container; fine when there are none.
    void remove_container(ContainerId container);
    /// Null when absent. The pointer is valid until the keyring changes or goes.
    const SecretKey* container_key(ContainerId container, KeyId key) const;
    /// Null when absent; `key` (may be null) receives the id.
    const SecretKey* newest_container_key(ContainerId container, KeyId* key) const;
    /// In rising order.
    std::vector<ContainerId> containers() const;

    /// The key of the catalog's pages.
    SecretKey page_key() const;
    /// What users' secrets are wrapped under and tokens are hashed with.
    SecretKey access_key() const;

    /// The bytes to put in every zone; draws a fresh nonce, raises the generation. kInvalid without
    /// a slot or with a bad zone, kTooBig beyond kKeyringBytesMax (some 380,000 container keys).
    Result<std::vector<std::byte>> encode();

    Keyring(Keyring&&) noexcept;
    Keyring& operator=(Keyring&&) noexcept;
    ~Keyring();

  private:
    struct State;
    explicit Keyring(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace reelfs::crypto
