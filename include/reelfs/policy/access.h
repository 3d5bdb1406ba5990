// The one decision on data, whichever door a request came through: may this principal do this to
// this path of this container.
//
// Until containers carry policy documents: a user may do everything, a token exactly what its grant
// says, and nobody is judged by permission bits (policy/anonymous.h). The documents will be asked
// here.
//
// Pure functions: no state, any thread.
#pragma once

#include "reelfs/model/principal.h"

namespace reelfs::policy {

enum class Decision {
    kAllowed,
    kDenied,
    kByPermissionBits,  // anonymous reads: policy/anonymous.h has the last word
};

/// `path` as asked for, without the container; for ListItems the folder's.
Decision decide(const AccessRequest& request, ContainerId container, const Components& path);

/// Whether `path` is `prefix` or lies below it.
bool is_at_or_below(const Components& prefix, const Components& path);

}  // namespace reelfs::policy
