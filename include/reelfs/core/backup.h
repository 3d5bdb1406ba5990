// A copy of a store that can become a store again.
//
//     DIRECTORY/reelfs-backup       what is in it; replaced whole when a backup is complete
//     DIRECTORY/keyring.N           the keyring, with its slots
//     DIRECTORY/catalog.N/          the catalog at one commit: database and log
//     DIRECTORY/packs/              packs of all zones
//
// Sealed as the store is: a backup holds no plaintext and is opened by the same keys. The next
// backup into the same directory copies only what packs have gained, and until it is complete the
// one before stands.
//
// No nonce is ever used twice, also when original and copy both live on: each extent has a key of
// its own, derived with 192 random bits; each page and each keyring a random nonce. Ids go on far
// beyond what the original may have handed out meanwhile.
#pragma once

#include <string>
#include <vector>

#include "reelfs/core/job.h"
#include "reelfs/core/volume.h"

namespace reelfs::core {

struct RestoreOptions {
    std::string backup;     // absolute
    std::string directory;  // absolute; must not exist, or be empty
    crypto::Unlock unlock;
};

struct RestoreReport {
    StoreId store;
    Timestamp taken;
    std::uint64_t packs = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> open_report;  // what the first start had to say
};

/// The store that a backup is of, without a key. kNotFound, kCorrupt.
Result<StoreId> identify_backup(Disk& disk, const std::string& directory);

/// Everything goes into the one directory, whatever zones the original had. kNotFound without a
/// backup there, kExists, kCorrupt when the backup is damaged, kWrongKey before anything is copied.
Result<RestoreReport> restore_store(const Environment& environment, const RestoreOptions& options,
                                    Job& job);

}  // namespace reelfs::core
