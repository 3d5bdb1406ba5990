// A store, opened: keyring, catalog, packs, recovery, background work, and the tree over them.
//
//     STORE/lock            held by the one process that serves it; says who
//     STORE/keyring         and one copy in each further zone
//     STORE/catalog/        catalog.db, catalog.db-wal
//     STORE/packs/          zone 0's packs
//     STORE/reserve         room kept for deletes and checkpoints on a full disk
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/disk.h"
#include "reelfs/base/random.h"
#include "reelfs/core/accounts.h"
#include "reelfs/core/job.h"
#include "reelfs/core/scrub.h"
#include "reelfs/core/tree.h"
#include "reelfs/crypto/keyring.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

struct CreateOptions {
    std::string directory;           // absolute; made if absent; must be empty otherwise
    std::vector<std::string> zones;  // further directories, absolute
    std::uint32_t block_bytes = 1u << limits::block_shift_default;  // of new containers
    crypto::Unlock unlock;
    crypto::PassphraseCost passphrase_cost;
    std::uint32_t owner_uid = 0;  // of the tree's root
    std::uint32_t owner_gid = 0;
};

struct CreatedStore {
    StoreId id;
    crypto::RecoveryKey recovery_key;  // print once, then forget
};

struct OpenOptions {
    std::string directory;  // absolute
    crypto::Unlock unlock;
    bool read_only = false;
    std::size_t memory_bytes = 512u << 20;
    std::int64_t background_barrier_ms = 3000;  // 0: none (tests)
};

struct BackupReport {
    std::uint64_t generation = 0;    // of this directory, from 1
    std::uint64_t packs = 0;         // in the backup
    std::uint64_t packs_copied = 0;  // by this one, whole or in part
    std::uint64_t bytes = 0;
    std::uint64_t bytes_copied = 0;
    std::vector<std::string> problems;  // what the store itself had lost already
    std::vector<std::string> notes;     // what takes nothing from the backup
};

struct RotateReport {
    KeyId key;              // the container's key from now on
    bool resumed = false;   // an earlier rotation was gone on with
    bool complete = false;  // the old key is gone
    std::uint64_t extents = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> problems;  // what could not be read, and keeps the old key alive
};

/// A change of what opens the store: the new key does everywhere before the old one ceases to.
struct KeySlotChange {
    crypto::Unlock proof;  // opens the store now
    std::optional<crypto::Unlock> add;
    crypto::PassphraseCost cost;
    std::optional<std::size_t> remove;
    bool remove_own = false;  // the slot that `proof` opens
};

struct Environment {
    Disk& disk;
    Random& random;
    Clock& clock;
};

/// What somebody who looks after a store wants to know besides its content.
struct Health {
    std::uint64_t damaged_reads = 0;  // met bytes that are not authentic, since it was opened
    std::uint64_t freed_bytes = 0;    // of what was deleted, and is still to be given to the disk
    std::uint64_t reserve_bytes = 0;  // kept for deletes and checkpoints on a full disk
};

class Volume {
  public:
    virtual ~Volume() = default;
    virtual Tree& tree() = 0;
    virtual Accounts& accounts() = 0;
    virtual StoreId id() const = 0;
    /// Why this volume no longer accepts writes, or "".
    virtual std::string degraded() const = 0;
    virtual Result<Health> health() = 0;
    /// What recovery and the log had to say at open; one line each.
    virtual std::vector<std::string> open_report() const = 0;
    virtual const std::vector<crypto::Zone>& zones() const = 0;
    /// What contradicts itself in the catalog's account of content (core/audit.h). While it runs
    /// nobody may change anything.
    virtual Result<std::vector<std::string>> audit() = 0;
    /// Copies the store as it is at one moment into a directory, in the caller's thread, while
    /// others work; one at a time. See core/backup.h. kExists when something else is there.
    virtual Result<BackupReport> back_up(const std::string& directory, Job& job) = 0;
    /// A new key for a container, all its content under it, the old key gone: in the caller's
    /// thread, while others work. One that was stopped is gone on with. kNotFound.
    virtual Result<RotateReport> rotate_key(const std::string& container, Job& job) = 0;
    virtual std::vector<crypto::SlotKind> key_slots() const = 0;
    /// Returns the slot added, if one was. kWrongKey (the proof is none), kNotFound, kInvalid,
    /// kBusy: nothing has been changed. After any other error both keys may open the store.
    virtual Result<std::optional<std::size_t>> change_key_slots(const KeySlotChange& change) = 0;
    /// Verifies all content, in the caller's thread, while others work; one at a time.
    virtual Result<ScrubReport> scrub(const ScrubOptions& options, Job& job) = 0;
    /// Flushes, barrier, checkpoint, closes. Bounded by the disk only. After it only the destructor
    /// may be called.
    virtual Result<void> close() = 0;
};

/// Errors: kExists (a store or other files are there), kInvalid, kIo ...
Result<CreatedStore> create_store(const Environment& environment, const CreateOptions& options);
/// The store's id without a key. kNotFound when `directory` holds no store.
Result<StoreId> identify_store(Disk& disk, const std::string& directory);
/// Opens and recovers. kBusy naming the holder is the lock's owner's to tell (app/store_lock.h);
/// the caller holds the lock.
Result<std::unique_ptr<Volume>> open_store(const Environment& environment,
                                           const OpenOptions& options);

}  // namespace reelfs::core
