// The keyring: one small file, a copy per zone, that turns what a person has (a passphrase, a key
// file or a recovery key) into the keys of the store. Format: man/reelfs-format.5, "Keyring".
//
//     passphrase --Argon2id--\
//     key file ----BLAKE2b----> key-encryption key --unwraps--> root key --opens--> body: zones,
//     container keys recovery key -BLAKE2b--/
//
// Slots wrap the root key with XChaCha20-Poly1305. The body is sealed whole under a key derived
// from the root key and carries a generation number, so that the newest of several copies wins.
// Never in SQLite. Errors: kCorrupt (damaged, says which part), kWrongKey (no slot opens),
// kNewerFormat. Not thread-safe: the owner (core/keys.h) guards it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "reelfs/base/random.h"
#include "reelfs/base/result.h"
#include "reelfs/crypto/secret.h"
#include "reelfs/model/ids.h"

namespace reelfs::crypto {

inline constexpr std::size_t kKeyringBytesMax = 16u << 20;

struct Passphrase {
    std::string text;
};
struct KeyFile {
    std::vector<std::byte> content;  // 32 to 4096 bytes
};
struct RecoveryKey {
    std::string text;  // as printed: groups of Crockford base32 with a checksum; case, spaces and
                       // '-' ignored
};
using Unlock = std::variant<Passphrase, KeyFile, RecoveryKey>;

enum class SlotKind : std::uint8_t { kEmpty = 0, kPassphrase = 1, kKeyFile = 2, kRecovery = 3 };

/// Argon2id cost; tests pass small ones. Stored in the slot.
struct PassphraseCost {
    std::uint64_t operations = 3;
    std::uint64_t memory_bytes = 256u << 20;
};

struct Zone {
    ZoneId id;
    std::string path;  // absolute; empty for zone 0, the store itself
};

class Keyring {
  public:
    /// A new keyring without slots; add at least one before encode().
    static Keyring create(const StoreId& store, Random& random);
    /// Opens the file's bytes with any slot that `unlock` fits.
    static Result<Keyring> open(Bytes file, const Unlock& unlock);
    /// The store's id, readable without a key (to find the default key file). kCorrupt,
    /// kNewerFormat.
    static Result<StoreId> peek_store_id(Bytes file);
    /// 256 random bits as a RecoveryKey to print once.
    static RecoveryKey make_recovery_key(Random& random);

    const StoreId& store_id() const;
    /// Rises by one with every encode().
    std::uint64_t generation() const;

    Result<std::size_t> add_slot(const Unlock& unlock, PassphraseCost cost = {});
    Result<void> remove_slot(std::size_t slot);  // kInvalid for the last one
    std::vector<SlotKind> slots() const;

    const std::vector<Zone>& zones() const;
    void set_zones(std::vector<Zone> zones);

    /// Draws a key for a container: key id 1, or one more than its newest.
    KeyId add_container_key(ContainerId container);
    void remove_container(ContainerId container);
    /// Null when absent. The pointer is valid until the keyring changes.
    const SecretKey* container_key(ContainerId container, KeyId key) const;
    const SecretKey* newest_container_key(ContainerId container, KeyId* key) const;
    std::vector<ContainerId> containers() const;

    /// The key of the catalog's pages.
    SecretKey page_key() const;

    /// The bytes to put in every zone; draws fresh nonces, raises the generation. kInvalid without
    /// a slot.
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
