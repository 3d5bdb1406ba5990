// The catalog's tables, version by version. `PRAGMA user_version` holds the version of a store; a
// store of an older version is brought up by the steps in between, each in one transaction; a newer
// one is refused. A released step is never edited: a change is a new step, and a golden store of
// each version stays in tests/catalog.
#pragma once

#include <cstdint>
#include <span>

#include "catalog/database.h"

namespace reelfs::catalog {

inline constexpr std::int64_t kSchemaVersion = 5;

struct SchemaStep {
    std::int64_t version;  // after it
    const char* sql;
};
std::span<const SchemaStep> schema_steps();

/// kNewerFormat when the store is of a version beyond kSchemaVersion.
Result<void> migrate(Database& database);

}  // namespace reelfs::catalog
