#include "reelfs/policy/access.h"

#include <algorithm>

namespace reelfs::policy {

bool is_at_or_below(const Components& prefix, const Components& path) {
    return prefix.size() <= path.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

Decision decide(const AccessRequest& request, ContainerId container, const Components& path) {
    const Principal& principal = request.principal;
    if (principal.is_anonymous()) {
        const bool reads =
            request.action == Action::kGetObject || request.action == Action::kDescribeObject;
        return reads ? Decision::kByPermissionBits : Decision::kDenied;
    }
    if (!principal.grant) return Decision::kAllowed;
    const Grant& grant = *principal.grant;
    const bool granted = grant.container == container && grant.actions.has(request.action) &&
                         is_at_or_below(grant.prefix, path);
    return granted ? Decision::kAllowed : Decision::kDenied;
}

}  // namespace reelfs::policy
