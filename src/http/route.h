// Where a request goes, decided from its method and its decoded path alone. Pure.
//
// In this order: our own resources under /~reelfs (`~` cannot stand in a container's name); `/`;
// then the first segment is a container's name, the rest the object's path in it. An endpoint host
// (`<id>.<domain>`) would come before all of these: it names the container, and then no segment
// does.
#pragma once

#include <string>
#include <string_view>

#include "reelfs/model/names.h"

namespace reelfs::http {

enum class Resource {
    kHealth,     // /~reelfs/health
    kTime,       // /~reelfs/time
    kUnknown,    // anything else under /~reelfs
    kRoot,       // /
    kContainer,  // /<container>
    kObject,     // /<container>/<path>
};

struct Route {
    Resource resource = Resource::kRoot;
    std::string container;
    Components path;
};

/// Takes the segments of the path apart.
Route route_public(Components segments);

enum class AdminResource { kHealthz, kReadyz, kMetrics, kUnknown };
AdminResource route_admin(const Components& segments);

}  // namespace reelfs::http
