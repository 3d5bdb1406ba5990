// What every part of the tree works with. Built once by the volume; everything here outlives the
// tree.
#pragma once

#include <atomic>
#include <functional>

#include "core/containers.h"
#include "core/documents.h"
#include "core/holds.h"
#include "core/id_source.h"
#include "core/keys.h"
#include "core/node.h"
#include "core/packs.h"
#include "core/quotas.h"
#include "core/space_guard.h"
#include "reelfs/base/clock.h"
#include "reelfs/base/random.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/content/block_cache.h"
#include "reelfs/content/dirty_budget.h"
#include "reelfs/content/extent_reader.h"
#include "reelfs/model/limits.h"
#include "reelfs/store/extent_store.h"

namespace reelfs::core {

struct Context {
    Clock& clock;
    Random& random;
    catalog::Catalog& catalog;
    store::ExtentStore& store;
    Keys& keys;
    Packs& packs;
    Holds& holds;
    NodeTable& nodes;
    ContainerTable& containers;
    Documents& documents;
    content::ExtentReader& reader;
    content::BlockCache& cache;
    content::DirtyBudget& budget;
    SpaceGuard& space;
    Quotas& quotas;
    IdSource<NodeId>& node_ids;
    IdSource<ExtentId>& extent_ids;
    IdSource<ContainerId>& container_ids;
    const bool read_only;
    /// Called by threads that have committed and hold no lock: checkpoints when the log has reached
    /// its forced length, so that no load outruns the background. Set once, before serving.
    std::function<void()> bound_log = [] {};

    Result<void> check_writable() const {
        if (read_only) return Error(Errc::kReadOnly, "the store is mounted read-only");
        if (catalog.read_only())
            return Error(Errc::kReadOnly,
                         "the store stopped accepting writes after a disk error; see the log");
        return done();
    }
    /// log2 of the block size for new extents of a container.
    std::uint8_t block_shift(ContainerId container) const {
        auto row = containers.find(container);
        return row ? row->block_shift : static_cast<std::uint8_t>(limits::block_shift_default);
    }
    ETag new_etag() const {
        ETag etag;
        random.fill(etag.bytes);
        return etag;
    }
};

}  // namespace reelfs::core
