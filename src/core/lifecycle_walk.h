// Looks through a container, folder by folder, and queues what its day rules mean: after the rules
// were put (they mean what was there before, too), and after a folder was renamed. Transient rules
// need none: they bind names as they are given.
//
// A mark in the catalog says that a container is to be looked through, and goes when that is done:
// a stop in between starts the walk anew. Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/context.h"
#include "core/expiry_alarm.h"

namespace reelfs::core {

class LifecycleWalk {
  public:
    /// In the transaction that makes a walk necessary. A walk under way is then not the last one.
    static Result<void> mark(catalog::Writer& w, ContainerId container);
    /// The first container that has a mark.
    static Result<std::optional<LifecycleWalk>> pending(Context& context);

    /// A few entries further. False: it is done, and the mark is gone unless there is a newer one.
    Result<bool> step(Context& context, ExpiryAlarm& alarm);

  private:
    struct Folder {
        NodeId node;
        std::string after;  // entries up to this name have been looked at
    };
    LifecycleWalk(ContainerId container, NodeId root, std::string mark);
    Result<void> finish(Context& context);

    ContainerId container_;
    std::string mark_;
    std::vector<Folder> folders_;  // from the root to where we are
    Components path_;              // their names, without the root's
};

}  // namespace reelfs::core
