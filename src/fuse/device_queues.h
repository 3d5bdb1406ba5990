// A descriptor of the mount's device for each worker. The kernel keeps the requests under way by
// the descriptor they were read from (FUSE_DEV_IOC_CLONE), so that workers do not contend; a reply
// goes where its request came from. libfuse can make them too, but only where this process may open
// /dev/fuse; here they come with the mount.
//
// Filled before any worker reads. A thread takes one with its first request and keeps it; those
// that come when all are taken share the first descriptor, which is libfuse's.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "reelfs/base/fd.h"

namespace reelfs::fuse {

class DeviceQueues {
  public:
    DeviceQueues();
    DeviceQueues(const DeviceQueues&) = delete;
    DeviceQueues& operator=(const DeviceQueues&) = delete;

    /// From now on workers read from these.
    void fill(std::vector<Fd> queues) { queues_ = std::move(queues); }
    /// Where this thread reads, `device` being libfuse's descriptor.
    int to_read(int device);
    /// Where it replies.
    int to_reply(int device) const;

  private:
    const std::uint64_t id_;  // never used again: a thread remembers whose queue it has
    std::vector<Fd> queues_;
    std::atomic<std::size_t> taken_{0};
};

}  // namespace reelfs::fuse
