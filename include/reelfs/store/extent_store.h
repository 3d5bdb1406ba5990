// Where sealed bytes live: append-only packs of extents. The store knows no keys and no names; it
// never overwrites a byte that was put, never appends to an extent, and makes durable only what
// sync() says.
//
// Contract, checked for every implementation by tests/store/conformance.h:
//  1. What put() returned can be read at once, by the same Location, until it is freed or its pack
//     removed.
//  2. A put that had returned before sync(pack) was called survives power loss once that sync()
//     succeeded. The end E it returns is the offset below which nothing can be missing: every put
//     below had returned before. Another writer's put in flight holds E back, so a durable location
//     may lie beyond E; it is then only not known to be without gaps before it. Regions of puts
//     that failed may lie below E, but no Location names them. Bytes beyond E that no sync covered
//     may be missing, zero or torn.
//  3. A failed sync() is final: the pack takes no further put (kIo) and is never synced again
//  (kIo),
//     even when a put was in flight meanwhile; what had been put stays readable, but only what was
//     durable before is promised.
//  4. free() gives 4 KiB-aligned insides of ranges back; reading them afterwards is undefined but
//     harmless. The padding behind an extent, up to the next 4 KiB boundary, belongs to it: a range
//     that reaches the extent's end may be rounded up. A store that cannot punch answers
//     kUnsupported, and the room returns when the pack is removed.
//  5. A pack that was open when the process stopped is never put to again (kBadHandle, as for a
//     closed pack; open_pack makes a new one).
//  6. remove_pack of an absent pack is kNotFound. After power loss a removed pack may be listed
//     again, unless sync_removals() has succeeded since. A pack id that list() shows but the
//     catalog does not know is set aside, not removed (set_aside).
// All calls are thread-safe; puts into one pack may run at once and may finish in any order. A pack
// may be synced after it was closed.
#pragma once

#include <cstdint>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/result.h"
#include "reelfs/model/extent.h"
#include "reelfs/model/ids.h"

namespace reelfs::store {

struct PackInfo {
    PackId pack;
    ZoneId zone;
    std::uint64_t bytes = 0;  // length of the file
};

struct StoreSpace {
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0;
};

enum class PackUse {
    kShared,  // by many small files
    kStream,  // by one long file: what is put in large pieces is not likely to be read soon
};

class ExtentStore {
  public:
    virtual ~ExtentStore() = default;

    /// A new, empty pack with a fresh random name, in the zone with most room. Its directory entry
    /// is durable no later than the first sync() that relies on it.
    virtual Result<PackId> open_pack(ContainerId owner, PackUse use) = 0;
    Result<PackId> open_pack(ContainerId owner) { return open_pack(owner, PackUse::kShared); }
    /// Appends `pieces` back to back at the next 4 KiB boundary. kNoSpace when the zone is full:
    /// nothing was put, the pack stays usable. kIo: nothing was put, the region is abandoned.
    virtual Result<Location> put(const PackId& pack, std::span<const Bytes> pieces) = 0;
    /// Fills `out` from location.offset + `skip`. kCorrupt when the pack is shorter, kNotFound when
    /// it is absent.
    virtual Result<void> read(const Location& location, std::uint64_t skip, MutableBytes out) = 0;
    /// The same, of a little that is not likely to be asked for again soon.
    virtual Result<void> read_once(const Location& location, std::uint64_t skip, MutableBytes out) {
        return read(location, skip, out);
    }
    /// The same, of what the device holds, and past the page cache: to find damage, or to copy
    /// much.
    virtual Result<void> read_device(const Location& location, std::uint64_t skip,
                                     MutableBytes out) {
        return read(location, skip, out);
    }
    /// Hints that these bytes will be read soon.
    virtual void will_need(const Location& location, std::uint64_t skip, std::uint64_t length) = 0;
    /// Returns the durable end: an offset in the pack (see 2). Callers that wait at once share one
    /// sync of the disk; with nothing put since the last one it costs nothing. For a pack that this
    /// process does not write, the end is its length.
    virtual Result<std::uint64_t> sync(const PackId& pack) = 0;
    /// No further puts (kBadHandle); the file stays. Does not sync. Closing twice is fine.
    virtual Result<void> close_pack(const PackId& pack) = 0;
    virtual Result<void> free(const FreedRange& range) = 0;
    virtual Result<void> remove_pack(const PackId& pack) = 0;
    /// Removals that have returned, also with kNotFound, are durable. One sync of the disk for each
    /// folder concerned.
    virtual Result<void> sync_removals() = 0;
    /// Takes the pack out of list() and out of reach, keeping its bytes for a person to look at.
    virtual Result<void> set_aside(const PackId& pack) = 0;
    /// Before recovery reads a pack: sync it and drop its cached pages, so that what is read is
    /// what is on the disk.
    virtual Result<void> settle(const PackId& pack) = 0;
    virtual Result<std::vector<PackInfo>> list() = 0;
    /// Over all zones; each volume counted once.
    virtual Result<StoreSpace> space() = 0;
};

}  // namespace reelfs::store
