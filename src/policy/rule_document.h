// What the documents made of rules share: {"rules": [...]} with every member known, and a path that
// is a prefix or a wildcard. Errors name the rule by its place, from 1.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string_view>

#include "reelfs/policy/json.h"
#include "reelfs/policy/path_pattern.h"

namespace reelfs::policy {

inline constexpr std::size_t kPatternBytesMax = 900;

/// kInvalid when `value` is no object, or has a member that is not in `known`.
inline Result<void> check_members(const Json& value, std::string_view what,
                                  std::initializer_list<std::string_view> known) {
    if (!value.is_object()) return Error(Errc::kInvalid, fmt::format("{} is no object", what));
    for (const auto& member : value.items()) {
        bool found = false;
        for (std::string_view name : known) found = found || name == member.key();
        if (!found)
            return Error(Errc::kInvalid, fmt::format("{} has a member \"{}\", which is not known",
                                                     what, member.key()));
    }
    return done();
}

/// The rules of a document, from 1 to `rules_max`.
inline Result<Json> parse_rules(std::string_view text, std::size_t rules_max) {
    RF_TRY(Json document, parse_json(text));
    RF_CHECK(check_members(document, "the document", {"rules"}));
    const auto rules = document.find("rules");
    if (rules == document.end() || !rules->is_array())
        return Error(Errc::kInvalid, "the document needs \"rules\": a list");
    if (rules->empty() || rules->size() > rules_max)
        return Error(Errc::kInvalid, fmt::format("\"rules\" holds 1 to {} rules", rules_max));
    return Json(*rules);
}

/// {"prefix": "..."} or {"wildcard": "..."}.
inline Result<PathPattern> parse_pattern(const Json& value, std::string_view rule) {
    RF_CHECK(check_members(value, fmt::format("a path of {}", rule), {"prefix", "wildcard"}));
    if (value.size() != 1 || !value.begin()->is_string())
        return Error(Errc::kInvalid,
                     fmt::format("a path of {} is {{\"prefix\": \"...\"}} or {{\"wildcard\": "
                                 "\"...\"}}",
                                 rule));
    PathPattern pattern;
    pattern.kind =
        value.begin().key() == "prefix" ? PathPattern::Kind::kPrefix : PathPattern::Kind::kWildcard;
    pattern.text = value.begin()->get<std::string>();
    if (pattern.text.size() > kPatternBytesMax)
        return Error(Errc::kInvalid,
                     fmt::format("a path of {} has more than {} bytes", rule, kPatternBytesMax));
    if (pattern.kind == PathPattern::Kind::kWildcard && pattern.text.empty())
        return Error(Errc::kInvalid, fmt::format("a wildcard of {} is empty", rule));
    if (pattern.text.starts_with('/'))
        return Error(Errc::kInvalid,
                     fmt::format("a path of {} begins with a slash; paths here are below the "
                                 "container and have none in front",
                                 rule));
    return pattern;
}

}  // namespace reelfs::policy
