#include "http/route.h"

#include <utility>

#include "http/target.h"

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

Route route_at_endpoint(std::string container, Components segments) {
    return {.resource = segments.empty() ? Resource::kContainer : Resource::kObject,
            .container = std::move(container),
            .path = std::move(segments),
            .by_host = true};
}

std::string asked_path(const Route& route) {
    if (route.by_host) return path_text(route.path);
    return "/" + route.container + (route.path.empty() ? "" : path_text(route.path));
}

AdminResource route_admin(const Components& segments) {
    if (segments.size() != 1) return AdminResource::kUnknown;
    if (segments.front() == "healthz") return AdminResource::kHealthz;
    if (segments.front() == "readyz") return AdminResource::kReadyz;
    if (segments.front() == "metrics") return AdminResource::kMetrics;
    return AdminResource::kUnknown;
}

}  // namespace reelfs::http
