// What every FUSE callback works with: the tree behind the mount and the mount's own tables. One
// per mount, reached through the session's user data. Thread-safe: constants, or tables with their
// own locks.
#pragma once

#include <sys/stat.h>

#include "fuse/device_queues.h"
#include "fuse/handles.h"
#include "fuse/init_patch.h"
#include "fuse/libfuse.h"
#include "fuse/node_ids.h"
#include "fuse/operation.h"
#include "reelfs/base/clock.h"
#include "reelfs/core/tree.h"
#include "reelfs/fuse/mount.h"

namespace reelfs::fuse {

struct Door {
    Door(core::Tree& served, const Clock& now, Metrics& metrics, const MountOptions& options)
        : tree(served), clock(now), acl(options.acl), ids(options.root), meters(metrics) {}

    core::Tree& tree;
    const Clock& clock;
    const bool acl;  // access control lists are spoken of
    const NodeIds ids;
    const Meters meters;
    HandleTable<core::OpenFile> files;
    HandleTable<core::OpenDirectory> directories;
    InitPatch init;
    DeviceQueues queues;
};

inline Door& door_of(fuse_req_t request) {
    return *static_cast<Door*>(fuse_req_userdata(request));
}

}  // namespace reelfs::fuse
