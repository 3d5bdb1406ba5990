// Tells the kernel what another door changed, so that its long caches never show old names, sizes
// or bytes.
//
// Threads: changes are queued by whoever made them, outside all locks of the tree, and delivered in
// order by one thread of the invalidator's own. A delivery may wait for a directory's lock in the
// kernel, whose holder may be waiting for one of our FUSE workers: so workers never wait here, and
// what they do must not depend on a delivery. Others wait, when the queue is full or in flush().
//
// A node or name the kernel does not know is no error.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "fuse/node_ids.h"
#include "reelfs/base/mutex.h"
#include "reelfs/core/tree.h"

namespace reelfs::fuse {

/// The kernel's side, numbers as the mount shows them.
class KernelCache {
  public:
    virtual ~KernelCache() = default;
    virtual void forget_name(std::uint64_t parent_ino, const std::string& name) = 0;
    /// Attributes and cached pages (of a directory: its listing).
    virtual void forget_node(std::uint64_t ino) = 0;
};

class Invalidator final : public core::ChangeListener {
  public:
    /// Changes that may wait; one more waits itself.
    static constexpr std::size_t kQueueMax = 4096;

    Invalidator(KernelCache& kernel, const NodeIds& ids, std::size_t queue_max = kQueueMax);
    /// As stop().
    ~Invalidator() override;

    void entry_changed(NodeId parent, std::string_view name) override EXCLUDES(mutex_);
    void content_changed(NodeId node) override EXCLUDES(mutex_);

    /// Returns when everything queued before the call has been delivered, or after stop().
    void flush() override EXCLUDES(mutex_);
    /// Drops what is queued, wakes all who wait, ends the thread. The kernel must no longer hold up
    /// a delivery (the mount is gone, or being served).
    void stop() EXCLUDES(mutex_);

  private:
    struct Change {
        std::uint64_t ino;                // of the node, or of the name's directory
        std::optional<std::string> name;  // absent: the node itself
    };
    void enqueue(Change change) EXCLUDES(mutex_);
    void run() noexcept EXCLUDES(mutex_);
    void deliver(const Change& change);

    KernelCache& kernel_;
    const NodeIds ids_;
    const std::size_t queue_max_;

    Mutex mutex_;  // never held while calling the kernel
    CondVar queued_;
    CondVar delivered_;  // also: there is room
    std::deque<Change> queue_ GUARDED_BY(mutex_);
    std::uint64_t queued_count_ GUARDED_BY(mutex_) = 0;
    std::uint64_t delivered_count_ GUARDED_BY(mutex_) = 0;
    bool stopping_ GUARDED_BY(mutex_) = false;

    std::jthread thread_;  // last: starts when all else is there
};

}  // namespace reelfs::fuse
