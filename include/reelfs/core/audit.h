// Does the catalog's account of content add up? One full walk over slices, nodes, extents, counts
// of shared blocks, packs, freed ranges and what containers hold, for fsck and for tests; and the
// repair of what can be put right without losing anything. What it looks for, rule by rule, is said
// in src/core/audit.cc.
//
// It holds an entry for each slice and extent in memory, and works in short reads: nobody may
// change the store meanwhile. A repair is one transaction at the end.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "reelfs/catalog/catalog.h"
#include "reelfs/core/job.h"

namespace reelfs::core {

/// Something that contradicts itself.
struct ContentFinding {
    std::string text;
    std::optional<NodeId> node;  // the file it is about
    bool repairable = false;     // and repaired, with AuditMode::kRepair
};

struct ContentAudit {
    std::vector<ContentFinding> findings;  // limits::findings_max of them
    std::uint64_t more = 0;                // not listed
    std::uint64_t extents = 0;
    struct PackUse {
        std::int64_t live_bytes = 0;  // what extents need
        std::uint64_t end = 0;        // of the last extent
    };
    std::unordered_map<PackId, PackUse> packs;
};

/// No findings in a store that is right. kCancelled as `job` says, also between two rows.
Result<ContentAudit> audit_content(catalog::Catalog& catalog, catalog::AuditMode mode, Job& job);
/// To the end, however long it takes.
Result<ContentAudit> audit_content(catalog::Catalog& catalog,
                                   catalog::AuditMode mode = catalog::AuditMode::kReport);

}  // namespace reelfs::core
