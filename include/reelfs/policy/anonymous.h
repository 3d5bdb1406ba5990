// What the anonymous principal may read over HTTP while no policy says otherwise: nobody, unless
// the request plainly comes from a person at this machine and the permission bits let everybody in.
// A proxy on the same host turns the world into 127.0.0.1, and DNS rebinding turns a web page into
// it: hence the two conditions on headers (model/principal.h).
//
// Pure functions: no state, any thread. Whoever resolved the path passes what it found; the
// container's policy document will be asked before these.
#pragma once

#include <span>

#include "reelfs/model/attributes.h"
#include "reelfs/model/principal.h"

namespace reelfs::policy {

/// The directories of a path: the container's root first, the parent of the last component last.
using ParentChain = std::span<const Attributes>;

/// May it reach what stands below `parents`: a local peer, and x for other on every one of them. An
/// empty chain, or one with something that is no directory, is never searchable. For a path that
/// names nothing this is the whole decision: true means 404 may be told, false means 403.
bool anonymous_may_search(const AnonymousPeer& peer, ParentChain parents);

/// May it GET or HEAD `file`: searchable, and r for other on the file. For a path with symlinks:
/// every chain walked must be searchable, and this holds for the target.
bool anonymous_may_read(const AnonymousPeer& peer, ParentChain parents, const Attributes& file);

}  // namespace reelfs::policy
