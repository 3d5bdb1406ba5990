// Where names led, as committed: what path lookups ask most, answered without the connection.
// Filled by reads and corrected by commits, both under the connection's lock, so that an entry
// never outlives the transaction that changed it; asked by anybody. Holds names that exist only.
// Least recently asked out first. Thread-safe; sharded.
#pragma once

#include <array>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::catalog {

class EntryCache {
  public:
    explicit EntryCache(std::size_t entries_max) : shard_entries_max_(entries_max / kShards) {}

    std::optional<NodeId> find(NodeId parent, std::string_view name);
    void put(NodeId parent, std::string_view name, NodeId node);
    void erase(NodeId parent, std::string_view name);

  private:
    struct KeyView {
        NodeId parent;
        std::string_view name;
        bool operator==(const KeyView&) const = default;
    };
    struct Hash {
        std::size_t operator()(const KeyView& key) const {
            return std::hash<std::string_view>{}(key.name) ^
                   (key.parent.value() * 0x9E3779B97F4A7C15ull);
        }
    };
    struct Item {
        NodeId parent;
        std::string name;
        NodeId node;
    };
    struct Shard {
        Mutex mutex;
        std::list<Item> order GUARDED_BY(mutex);  // most recent first
        /// The views look into `order`, whose items never move.
        std::unordered_map<KeyView, std::list<Item>::iterator, Hash> index GUARDED_BY(mutex);
    };
    static constexpr std::size_t kShards = 16;
    Shard& shard_of(const KeyView& key) { return shards_[Hash{}(key) >> 32 & (kShards - 1)]; }

    const std::size_t shard_entries_max_;
    std::array<Shard, kShards> shards_;
};

}  // namespace reelfs::catalog
