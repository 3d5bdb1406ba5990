// The tables. Names of files are BLOBs, so that SQLite compares them as bytes. What a column means
// is said here and, for users, in reelfs-format(5).
#include "catalog/schema.h"

#include <fmt/format.h>

namespace reelfs::catalog {

namespace {

constexpr const char* kVersion1 = R"sql(
-- clean: 1 after close(). checkpoints: how many; each restarts the log by counting. next_*: the first id not yet leased. nodes, extents, packs: rows, as
-- counted by close() (of use only while clean).
CREATE TABLE counter(
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('clean', 1), ('next_node', 2), ('next_extent', 1),
    ('next_container', 1), ('nodes', 0), ('extents', 0), ('packs', 0),
    ('checkpoints', 0);

CREATE TABLE setting(
    name BLOB NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- flags: 1 made implicitly by an HTTP PUT, 2 has xattrs. Times: ns since 1970. etag: NULL for none.
-- parent: directories only, else 0. target: symlinks only.
CREATE TABLE node(
    id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    container INTEGER NOT NULL,
    type INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    links INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    device INTEGER NOT NULL,
    size INTEGER NOT NULL,
    allocated INTEGER NOT NULL,
    accessed INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    parent INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    etag BLOB,
    target BLOB
) STRICT;
CREATE INDEX node_orphan ON node(id) WHERE links = 0;
CREATE INDEX node_expires ON node(expires) WHERE expires IS NOT NULL;

CREATE TABLE entry(
    parent INTEGER NOT NULL,
    name BLOB NOT NULL,
    node INTEGER NOT NULL,
    type INTEGER NOT NULL,
    PRIMARY KEY(parent, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE xattr(
    node INTEGER NOT NULL,
    name BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY(node, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE slice(
    node INTEGER NOT NULL,
    file_offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    extent INTEGER NOT NULL,
    start INTEGER NOT NULL,
    PRIMARY KEY(node, file_offset)
) STRICT, WITHOUT ROWID;

-- pack NULL: inline, the sealed bytes are `bytes`. node, file_offset: for extents in a pack, the
-- node that a slice last gave it to, and the lowest offset there: what recovery cuts when the
-- extent's bytes are gone, without an index from extents to slices.
CREATE TABLE extent(
    id INTEGER PRIMARY KEY,
    container INTEGER NOT NULL,
    key INTEGER NOT NULL,
    salt BLOB NOT NULL,
    cipher INTEGER NOT NULL,
    block_shift INTEGER NOT NULL,
    plain_bytes INTEGER NOT NULL,
    pack INTEGER,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    node INTEGER NOT NULL,
    file_offset INTEGER NOT NULL,
    bytes BLOB
) STRICT;
CREATE INDEX extent_by_pack ON extent(pack, offset) WHERE pack IS NOT NULL;

-- name: 16 random bytes. state: 1 open, 2 closed.
CREATE TABLE pack(
    id INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    container INTEGER NOT NULL,
    state INTEGER NOT NULL,
    durable_end INTEGER NOT NULL,
    live_bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE freed(
    id INTEGER PRIMARY KEY,
    pack INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL
) STRICT;
CREATE INDEX freed_by_pack ON freed(pack);

CREATE TABLE container(
    id INTEGER PRIMARY KEY,
    root INTEGER NOT NULL,
    block_shift INTEGER NOT NULL,
    created INTEGER NOT NULL,
    endpoint BLOB NOT NULL UNIQUE,
    profile BLOB NOT NULL
) STRICT;
)sql";

// Who may authenticate over HTTP.
constexpr const char* kVersion2 = R"sql(
-- secret: the secret access key, wrapped under a key derived from the root key (reelfs-format(5)).
-- Times: ns since 1970.
CREATE TABLE user(
    name BLOB NOT NULL PRIMARY KEY,
    access_key BLOB NOT NULL UNIQUE,
    secret BLOB NOT NULL,
    disabled INTEGER NOT NULL,
    created INTEGER NOT NULL,
    key_created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- hash: a keyed hash of what the holder presents. prefix: names with "/" between, empty for the
-- whole container. actions: bits by their place in model/principal.h. expires: NULL for never.
CREATE TABLE token(
    id BLOB NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    container INTEGER NOT NULL,
    prefix BLOB NOT NULL,
    actions INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
) STRICT, WITHOUT ROWID;
)sql";

// What is set for containers besides their content.
constexpr const char* kVersion3 = R"sql(
-- kind: by its name in model/document.h. body: JSON.
CREATE TABLE document(
    container INTEGER NOT NULL,
    kind BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY(container, kind)
) STRICT, WITHOUT ROWID;
)sql";

// Files that share content; what containers may hold, and do.
constexpr const char* kVersion4 = R"sql(
-- shared: 1 when any slice may name any of its bytes; node and file_offset mean nothing then.
ALTER TABLE extent ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;

-- Of shared extents: refs slices touch each of count blocks from first on. Blocks that none touches
-- are in no row. Runs of one extent do not overlap.
CREATE TABLE share(
    extent INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    refs INTEGER NOT NULL,
    PRIMARY KEY(extent, first)
) STRICT, WITHOUT ROWID;

-- What a container may hold; NULL: no limit.
ALTER TABLE container ADD COLUMN quota_bytes INTEGER;
ALTER TABLE container ADD COLUMN quota_objects INTEGER;

-- What they hold, as counted by close() (of use only while clean, and when every container has a
-- row): bytes allocated to nodes, and nodes that have a link, the top folder included.
CREATE TABLE usage(
    container INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    objects INTEGER NOT NULL
) STRICT;
)sql";

// What will expire.
constexpr const char* kVersion5 = R"sql(
-- Files that will go: by a transient rule (transient 1; node.expires is due) or, to be looked at
-- then, by a day rule. since: from when the age counts. parent, name: where the file is. Times: ns
-- since 1970.
CREATE TABLE expiry(
    node INTEGER PRIMARY KEY,
    due INTEGER NOT NULL,
    since INTEGER NOT NULL,
    transient INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    name BLOB NOT NULL
) STRICT;
CREATE INDEX expiry_due ON expiry(due);

-- The name of a directory.
CREATE INDEX entry_directory ON entry(node) WHERE type = 2;
)sql";

constexpr SchemaStep kSteps[] = {{.version = 1, .sql = kVersion1},
                                 {.version = 2, .sql = kVersion2},
                                 {.version = 3, .sql = kVersion3},
                                 {.version = 4, .sql = kVersion4},
                                 {.version = 5, .sql = kVersion5}};

}  // namespace

std::span<const SchemaStep> schema_steps() {
    return kSteps;
}

Result<void> migrate(Database& database) {
    RF_TRY(const std::int64_t found, database.integer("PRAGMA user_version"));
    if (found > kSchemaVersion)
        return Error(Errc::kNewerFormat,
                     fmt::format("the catalog is of schema version {}, this reelfs knows {}", found,
                                 kSchemaVersion));
    for (const SchemaStep& step : kSteps) {
        if (step.version <= found) continue;
        RF_CHECK(database.execute(fmt::format("BEGIN IMMEDIATE;{}PRAGMA user_version={};COMMIT;",
                                              step.sql, step.version)));
    }
    return done();
}

}  // namespace reelfs::catalog
