#include "reelfs/policy/lifecycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "policy/rule_document.h"

namespace reelfs::policy {

namespace {

constexpr std::size_t kLifecycleBytesMax = 8'192;
constexpr std::size_t kLifecycleRulesMax = 10;
constexpr std::size_t kPathsMax = 10;
constexpr std::int64_t kSecondsMax = 300;
constexpr std::int64_t kDaysMax = 36'500;
constexpr std::int64_t kArchiveDays = 30;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

Error invalid(std::string_view rule, std::string_view what) {
    return {Errc::kInvalid, fmt::format("{}: {}", rule, what)};
}

/// [{"numeric": [">", 15]}]
struct Age {
    bool beyond = false;  // ">": a whole unit more
    std::int64_t units = 0;
};
Result<Age> parse_age(const Json& value, std::string_view rule, std::int64_t units_max) {
    const Error wrong = invalid(
        rule, fmt::format("an age is [{{\"numeric\": [\">\", N]}}] or [{{\"numeric\": [\">=\", "
                          "N]}}], N from 1 to {}",
                          units_max));
    if (!value.is_array() || value.size() != 1) return wrong;
    const Json& clause = value.front();
    if (!clause.is_object() || clause.size() != 1 || clause.begin().key() != "numeric")
        return wrong;
    const Json& numeric = *clause.begin();
    if (!numeric.is_array() || numeric.size() != 2 || !numeric[0].is_string() ||
        !numeric[1].is_number_unsigned())
        return wrong;
    const std::string op = numeric[0].get<std::string>();
    const auto units = numeric[1].get<std::uint64_t>();
    if ((op != ">" && op != ">=") || units < 1 || units > static_cast<std::uint64_t>(units_max))
        return wrong;
    return Age{op == ">", static_cast<std::int64_t>(units)};
}

Result<std::vector<PathPattern>> parse_paths(const Json& definition, const std::string& rule) {
    const auto paths = definition.find("path");
    if (paths == definition.end() || !paths->is_array() || paths->empty() ||
        paths->size() > kPathsMax)
        return invalid(
            rule, fmt::format("\"definition\" needs \"path\": a list of 1 to {} paths", kPathsMax));
    std::vector<PathPattern> patterns;
    for (const Json& path : *paths) {
        RF_TRY(PathPattern pattern, parse_pattern(path, rule));
        if (!patterns.empty() && patterns.front().kind != pattern.kind)
            return invalid(rule, "its paths are all prefixes, or all wildcards");
        patterns.push_back(std::move(pattern));
    }
    return patterns;
}

Result<LifecycleRule> parse_lifecycle_rule(const Json& value, const std::string& name) {
    RF_CHECK(check_members(value, name, {"definition", "action"}));
    const auto definition = value.find("definition");
    if (definition == value.end()) return invalid(name, "\"definition\" is missing");
    RF_CHECK(check_members(*definition, fmt::format("\"definition\" of {}", name),
                           {"path", "seconds_since_create", "days_since_create"}));
    LifecycleRule rule;
    RF_TRY(rule.paths, parse_paths(*definition, name));
    const auto seconds = definition->find("seconds_since_create");
    const auto days = definition->find("days_since_create");
    const bool transient = seconds != definition->end();
    if (transient == (days != definition->end()))
        return invalid(name, "it needs one age: \"seconds_since_create\" or \"days_since_create\"");
    RF_TRY(const Age age,
           parse_age(transient ? *seconds : *days, name, transient ? kSecondsMax : kDaysMax));
    const auto action = value.find("action");
    const std::string text =
        action != value.end() && action->is_string() ? action->get<std::string>() : "";
    if (text == "ARCHIVE") {
        if (transient || age.beyond || age.units != kArchiveDays)
            return invalid(name,
                           "ARCHIVE goes with \"days_since_create\": [{\"numeric\": "
                           "[\">=\", 30]}] only");
        rule.kind = LifecycleRule::Kind::kArchive;
    } else if (text != "EXPIRE") {
        return invalid(name, "\"action\" is \"EXPIRE\" or \"ARCHIVE\"");
    } else {
        rule.kind = transient ? LifecycleRule::Kind::kTransient : LifecycleRule::Kind::kDays;
    }
    if (transient && rule.paths.front().kind != PathPattern::Kind::kWildcard)
        return invalid(name, "\"seconds_since_create\" goes with wildcards only");
    const std::int64_t units = age.units + (age.beyond ? 1 : 0);
    rule.age_ns = units * (transient ? 1 : kSecondsPerDay) * kNsPerSecond;
    return rule;
}

std::optional<Timestamp> earliest(const LifecycleRules& rules, LifecycleRule::Kind kind,
                                  std::string_view path, Timestamp since) {
    std::optional<Timestamp> found;
    for (const LifecycleRule& rule : rules) {
        if (rule.kind != kind) continue;
        const bool meant = std::any_of(rule.paths.begin(), rule.paths.end(),
                                       [&](const PathPattern& p) { return p.matches(path); });
        if (!meant) continue;
        // A file may carry any date; what lies beyond the end of time never expires.
        if (since.ns > INT64_MAX - rule.age_ns) continue;
        const Timestamp at{since.ns + rule.age_ns};
        if (!found || at < *found) found = at;
    }
    return found;
}

}  // namespace

Result<LifecycleRules> parse_lifecycle(std::string_view json) {
    if (json.size() > kLifecycleBytesMax)
        return Error(Errc::kInvalid, fmt::format("a lifecycle policy has at most {} characters",
                                                 kLifecycleBytesMax));
    RF_TRY(const Json rules, parse_rules(json, kLifecycleRulesMax));
    LifecycleRules parsed;
    for (const Json& rule : rules) {
        RF_TRY(LifecycleRule one,
               parse_lifecycle_rule(rule, fmt::format("rule {}", parsed.size() + 1)));
        parsed.push_back(std::move(one));
    }
    return parsed;
}

bool has_day_rules(const LifecycleRules& rules) {
    return std::any_of(rules.begin(), rules.end(), [](const LifecycleRule& rule) {
        return rule.kind == LifecycleRule::Kind::kDays;
    });
}

std::optional<Timestamp> transient_expiry(const LifecycleRules& rules, std::string_view path,
                                          Timestamp since) {
    return earliest(rules, LifecycleRule::Kind::kTransient, path, since);
}

std::optional<Timestamp> day_expiry(const LifecycleRules& rules, std::string_view path,
                                    Timestamp since) {
    return earliest(rules, LifecycleRule::Kind::kDays, path, since);
}

}  // namespace reelfs::policy
