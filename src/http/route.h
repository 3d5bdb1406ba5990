// Where a request goes, decided from its method and its decoded path alone. Pure.
//
// In this order: our own resources under /~reelfs (`~` cannot stand in a container's name); `/`;
// then the first segment is a container's name, the rest the object's path in it. An endpoint host
// (`<id>.<domain>`, host.h) comes before all of these: it names the container, and then no segment
// does.
#pragma once

#include <string>
#include <string_view>

#include "reelfs/model/names.h"

namespace reelfs::http {

enum class Resource {
    kHealth,      // /~reelfs/health
    kTime,        // /~reelfs/time
    kUnknown,     // anything else under /~reelfs
    kRoot,        // /; POST there is the control plane's
    kContainer,   // /<container>
    kObject,      // /<container>/<path>
    kNoEndpoint,  // a host that would be an endpoint; `container` is its id
};

struct Route {
    Resource resource = Resource::kRoot;
    std::string container;
    Components path;
    bool by_host = false;  // no segment names the container
};

/// Takes the segments of the path apart.
Route route_public(Components segments);
/// At a container's endpoint host.
Route route_at_endpoint(std::string container, Components segments);
/// The path as it was asked for, for a message to a person, as decoded bytes.
std::string asked_path(const Route& route);

enum class AdminResource { kHealthz, kReadyz, kMetrics, kUnknown };
AdminResource route_admin(const Components& segments);

}  // namespace reelfs::http
