// The background: a barrier every few seconds or few hundred MiB, which bounds what sync(2) leaves
// open on a FUSE mount; room given back once the transaction that freed it is durable and no reader
// holds it; removed files taken apart in steps; checkpoints.
//
// One thread, `background`. It may block on the disk and on the catalog, never on a door.
#pragma once

#include <deque>
#include <thread>

#include "core/tree_impl.h"

namespace reelfs::core {

class Maintenance {
  public:
    Maintenance(Context& context, Files& files, TreeImpl& tree)
        : context_(context), files_(files), tree_(tree) {}
    ~Maintenance() { stop(); }

    /// `interval_ms` 0: only what is asked for.
    void start(std::int64_t interval_ms);
    void stop() EXCLUDES(mutex_);

    /// One round; also what `start` runs again and again.
    Result<void> run_once();
    /// Barrier, then checkpoint: nothing may be checkpointed before the pack bytes it names are
    /// durable.
    Result<void> checkpoint();
    /// Checkpoints if the log has reached its forced length; one thread does it, and those that
    /// come meanwhile wait only when the log has grown to twice that.
    void bound_log() EXCLUDES(checkpoint_mutex_);

  private:
    void work(std::int64_t interval_ms) EXCLUDES(mutex_);
    /// One step; false when there is nothing to do now.
    Result<bool> reclaim();
    Result<void> remove_empty_packs();

    Context& context_;
    Files& files_;
    TreeImpl& tree_;
    Mutex mutex_;
    CondVar wake_;
    bool stopping_ GUARDED_BY(mutex_) = false;
    Mutex checkpoint_mutex_;
    CondVar checkpointed_;
    bool checkpointing_ GUARDED_BY(checkpoint_mutex_) = false;
    std::jthread thread_;

    // Owned by whoever runs run_once (one at a time).
    struct Freed {
        std::uint64_t epoch = 0;  // reclaimable once every hold is newer
        std::vector<catalog::FreedRow> rows;
    };
    std::optional<Freed> waiting_;
};

}  // namespace reelfs::core
