#include "fuse/device_queues.h"

namespace reelfs::fuse {
namespace {

std::atomic<std::uint64_t> next_id{1};

struct Taken {
    std::uint64_t id = 0;  // of the DeviceQueues
    int queue = -1;
};
thread_local Taken t_taken;

}  // namespace

DeviceQueues::DeviceQueues() : id_(next_id++) {}

int DeviceQueues::to_read(int device) {
    if (t_taken.id == id_) return t_taken.queue;
    if (queues_.empty()) return device;
    const std::size_t mine = taken_++;
    t_taken = {id_, mine < queues_.size() ? queues_[mine].get() : device};
    return t_taken.queue;
}

int DeviceQueues::to_reply(int device) const {
    return t_taken.id == id_ ? t_taken.queue : device;
}

}  // namespace reelfs::fuse
