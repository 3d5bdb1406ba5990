// What the catalog keeps, as values. Schema: src/catalog/schema.cc and man/reelfs-format.5,
// "Catalog".
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/model/attributes.h"
#include "reelfs/model/extent.h"
#include "reelfs/model/principal.h"
#include "reelfs/model/quota.h"

namespace reelfs::catalog {

struct NodeRow {
    Attributes
        attributes;  // links == 0: an orphan, removed at the next start or when its last user goes
    ETag etag;       // none() while growing and for what is not a file
    NodeId parent;   // directories only: where ".." leads; the root's is itself
    bool implicit_folder =
        false;  // made by an HTTP PUT; disappears when emptied through HTTP or expiry
    bool has_xattrs = false;
    std::string symlink_target;
};

struct EntryRow {
    std::string name;
    NodeId node;
    NodeType type = NodeType::kFile;
};

struct EntryWithNode {
    std::string name;
    NodeRow node;
};

using ExtentRow = PlacedExtent;

struct SliceRow {
    Slice slice;
    ExtentRow extent;
};

struct XattrRow {
    std::string name;
    std::vector<std::byte> value;
};

struct ContainerRow {
    ContainerId container;
    NodeId root;  // its name is the entry of kRootNode that leads here
    std::uint8_t block_shift = 0;
    Timestamp created;
    std::string endpoint_id;  // 14 of [a-z0-9], first a letter: the host label of its data endpoint
    std::string profile;      // "" or "mediastore"
    Quota quota;
};

/// A JSON text that is set for a container. Kinds by name: those of a later version are kept.
struct DocumentRow {
    ContainerId container;
    std::string kind;  // name_of(DocumentKind)
    std::string body;
};

/// Somebody who may authenticate over HTTP, with the one access key he has.
struct UserRow {
    std::string name;
    std::string access_key_id;
    std::vector<std::byte> wrapped_secret;  // under a key derived from the root key
    bool disabled = false;
    Timestamp created;
    Timestamp key_created;
};

/// An ingest token. What its holder presents is not here: only a keyed hash of it.
struct TokenRow {
    std::string id;
    std::array<std::byte, 32> hash{};
    ContainerId container;
    std::string prefix;  // names with "/" between; "" for the whole container
    ActionSet actions;
    Timestamp created;
    std::optional<Timestamp> expires;  // none: until revoked
};

/// A file that will expire: when it is to be looked at, and under which name.
struct ExpiryRow {
    NodeId node;
    Timestamp due;
    Timestamp since;         // from when its age counts
    bool transient = false;  // the node's `expires` says so too; else the container's day rules do
    NodeId parent;
    std::string name;
};

enum class PackState : std::uint8_t { kOpen = 1, kClosed = 2 };

struct PackRow {
    PackId pack;
    ContainerId container;
    PackState state = PackState::kOpen;
    std::uint64_t durable_end = 0;  // bytes below were synced before this row was committed
    std::int64_t live_bytes = 0;    // sum of extent lengths placed, less ranges freed
};

struct FreedRow {
    std::uint64_t row = 0;
    FreedRange range;
};

}  // namespace reelfs::catalog
