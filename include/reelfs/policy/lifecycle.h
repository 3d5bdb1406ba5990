// A container's lifecycle policy: when its objects go. AWS MediaStore's document:
//
//     {"rules": [{"definition": {"path": [{"wildcard": "live/*.ts"}],
//                                "seconds_since_create": [{"numeric": [">", 60]}]},
//                 "action": "EXPIRE"}]}
//
// Transient rules (seconds_since_create, 1 to 300, wildcards only) bind what gets a name under them
// while they are in force, to the instant. Day rules (days_since_create, 1 to 36500) mean every
// object, old ones too. ARCHIVE (days, exactly >= 30) is accepted and changes nothing: there is one
// class of storage.
//
// Pure functions: no state, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/result.h"
#include "reelfs/policy/path_pattern.h"

namespace reelfs::policy {

struct LifecycleRule {
    enum class Kind { kTransient, kDays, kArchive };
    Kind kind = Kind::kDays;
    std::vector<PathPattern> paths;  // any of them
    std::int64_t age_ns = 0;         // gone when it is as old as this
};
using LifecycleRules = std::vector<LifecycleRule>;

/// kInvalid naming the rule and what is wrong with it.
Result<LifecycleRules> parse_lifecycle(std::string_view json);

/// Whether any rule expires objects by their days: only such rules mean what was there before.
bool has_day_rules(const LifecycleRules& rules);

/// When an object of this path, named (or made) at `since`, expires by rules of one kind: the
/// earliest, or never. `path` without the container's name.
std::optional<Timestamp> transient_expiry(const LifecycleRules& rules, std::string_view path,
                                          Timestamp since);
std::optional<Timestamp> day_expiry(const LifecycleRules& rules, std::string_view path,
                                    Timestamp since);

}  // namespace reelfs::policy
