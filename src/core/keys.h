// The keyring in use: container keys for content, and its copies on disk. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/disk.h"
#include "reelfs/base/mutex.h"
#include "reelfs/content/extent_reader.h"
#include "reelfs/core/volume.h"
#include "reelfs/crypto/keyring.h"

namespace reelfs::core {

class Keys final : public content::KeySource {
  public:
    /// `paths`: the keyring file of every zone, zone 0 first.
    Keys(Disk& disk, crypto::Keyring keyring, std::vector<std::string> paths);

    Result<std::shared_ptr<const crypto::SecretKey>> container_key(ContainerId container,
                                                                   KeyId key) override
        EXCLUDES(mutex_);
    struct Newest {
        KeyId id;
        std::shared_ptr<const crypto::SecretKey> key;
    };
    Result<Newest> newest_key(ContainerId container) EXCLUDES(mutex_);

    /// Draws a key for a new container and makes every copy of the keyring durable with it.
    Result<void> add_container(ContainerId container) EXCLUDES(mutex_);
    /// The keys a container has, the newest last.
    std::vector<KeyId> keys_of(ContainerId container) const EXCLUDES(mutex_);
    /// Draws a newer key for a container and makes every copy durable with it: content is sealed
    /// under it from now on.
    Result<KeyId> rotate(ContainerId container) EXCLUDES(mutex_);
    /// The last step of a rotation: no copy holds an older key of the container afterwards.
    Result<void> keep_newest(ContainerId container) EXCLUDES(mutex_);
    /// Crypto-erase: afterwards no copy holds the container's keys.
    Result<void> remove_container(ContainerId container) EXCLUDES(mutex_);
    /// Forgets keys of containers that are not in `known` (a crash between drawing a key and
    /// committing its container).
    Result<void> keep_only(const std::vector<ContainerId>& known) EXCLUDES(mutex_);

    std::vector<crypto::SlotKind> slots() const EXCLUDES(mutex_);
    /// Adds and makes every copy durable, then removes and does so again. Returns the slot added.
    /// kWrongKey (the proof does not open the keyring), kNotFound, kInvalid, kBusy: nothing has
    /// been changed. After any other error the copies may differ, and both what was to come and
    /// what was to go may open the store.
    Result<std::optional<std::size_t>> change_slots(const KeySlotChange& change)
        EXCLUDES(changing_, mutex_);
    /// The keyring as it is now, for a backup: a copy on disk may be an older one.
    Result<std::vector<std::byte>> copy() EXCLUDES(mutex_);

    StoreId store_id() const EXCLUDES(mutex_);
    crypto::SecretKey page_key() const EXCLUDES(mutex_);
    crypto::SecretKey access_key() const EXCLUDES(mutex_);
    std::vector<crypto::Zone> zones() const EXCLUDES(mutex_);

  private:
    Result<void> save() REQUIRES(mutex_);
    void take_back(const crypto::Keyring& proven, std::optional<std::size_t> added,
                   std::optional<std::size_t> gone) REQUIRES(mutex_);

    Disk& disk_;
    const std::vector<std::string> paths_;
    Mutex changing_;  // of slots, one after the other: what a proof has opened is still there
    mutable Mutex mutex_;
    crypto::Keyring keyring_ GUARDED_BY(mutex_);
    std::map<std::pair<ContainerId, KeyId>, std::shared_ptr<const crypto::SecretKey>> opened_
        GUARDED_BY(mutex_);
};

/// Reads the copies of a keyring (zone 0's path first), opens the newest good one. The errors are
/// the keyring's; kNotFound when there is no copy at all.
Result<crypto::Keyring> load_keyring(Disk& disk, const std::string& path,
                                     const crypto::Unlock& unlock);

}  // namespace reelfs::core
