#include "http/route.h"

#include <utility>

namespace reelfs::http {

Route route_public(Components segments) {
    Route route;
    if (segments.empty()) return route;
    if (segments.front() == "~reelfs") {
        route.resource = Resource::kUnknown;
        if (segments.size() == 2 && segments[1] == "health") route.resource = Resource::kHealth;
        if (segments.size() == 2 && segments[1] == "time") route.resource = Resource::kTime;
        return route;
    }
    route.resource = segments.size() == 1 ? Resource::kContainer : Resource::kObject;
    route.container = std::move(segments.front());
    segments.erase(segments.begin());
    route.path = std::move(segments);
    return route;
}

AdminResource route_admin(const Components& segments) {
    if (segments.size() != 1) return AdminResource::kUnknown;
    if (segments.front() == "healthz") return AdminResource::kHealthz;
    if (segments.front() == "readyz") return AdminResource::kReadyz;
    if (segments.front() == "metrics") return AdminResource::kMetrics;
    return AdminResource::kUnknown;
}

}  // namespace reelfs::http
