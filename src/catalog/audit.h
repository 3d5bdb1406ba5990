// What must be true between the catalog's rows, one entry a rule: a query that finds what breaks
// it, and statements that put it right where that loses nothing. Offline only: each query may read
// all rows. Used under the connection's lock.
#pragma once

#include <span>

namespace reelfs::catalog {

struct AuditRule {
    /// Rows (node or NULL, sentence): each is a finding.
    const char* find;
    /// Run, in one transaction, when there are findings; "" when it takes a person, or a backup.
    const char* repair;
};

/// In an order in which a repair leaves work for later rules only.
std::span<const AuditRule> audit_rules();

/// Folders and files that no path from the root leads to: (id, type, root of its container if a
/// path leads to that, whether a name in a folder leads to it). Folders come first.
extern const char* const kUnreachable;

}  // namespace reelfs::catalog
