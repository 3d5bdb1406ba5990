#include "reelfs/policy/delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "policy/rule_document.h"
#include "reelfs/model/limits.h"

namespace reelfs::policy {

namespace {

constexpr std::size_t kDeliveryRulesMax = 100;

Result<std::string> parse_header_value(const Json& value, std::string_view member,
                                       std::string_view rule) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    const bool safe = std::all_of(text.begin(), text.end(),
                                  [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; });
    if (text.empty() || text.size() > limits::header_value_bytes_max || !safe)
        return Error(Errc::kInvalid,
                     fmt::format("{}: \"{}\" is 1 to {} visible ASCII characters and blanks", rule,
                                 member, limits::header_value_bytes_max));
    return text;
}

Result<EtagForm> parse_etag_form(const Json& value, std::string_view rule) {
    if (value == "quoted") return EtagForm::kQuoted;
    if (value == "bare") return EtagForm::kBare;
    return Error(Errc::kInvalid, fmt::format("{}: \"etag\" is \"quoted\" or \"bare\"", rule));
}

Result<DeliveryRule> parse_delivery_rule(const Json& value, const std::string& name) {
    RF_CHECK(check_members(
        value, name,
        {"path", "cache_control", "not_found_cache_control", "content_type", "hold_ms", "etag"}));
    const auto path = value.find("path");
    if (path == value.end())
        return Error(Errc::kInvalid, fmt::format("{}: \"path\" is missing", name));
    if (value.size() == 1)
        return Error(Errc::kInvalid, fmt::format("{} sets nothing: it needs \"cache_control\", "
                                                 "\"not_found_cache_control\", \"content_type\", "
                                                 "\"hold_ms\" or \"etag\"",
                                                 name));
    DeliveryRule rule;
    RF_TRY(rule.path, parse_pattern(*path, name));
    for (const auto& [member, target] :
         {std::pair("cache_control", &rule.sets.cache_control),
          std::pair("not_found_cache_control", &rule.sets.not_found_cache_control),
          std::pair("content_type", &rule.sets.content_type)}) {
        const auto found = value.find(member);
        if (found == value.end()) continue;
        RF_TRY(*target, parse_header_value(*found, member, name));
    }
    if (const auto hold = value.find("hold_ms"); hold != value.end()) {
        const std::uint64_t ms = hold->is_number_unsigned() ? hold->get<std::uint64_t>() : 0;
        if (ms < 1 || ms > static_cast<std::uint64_t>(limits::http_object_hold_ms_max))
            return Error(Errc::kInvalid, fmt::format("{}: \"hold_ms\" is a number from 1 to {}",
                                                     name, limits::http_object_hold_ms_max));
        rule.sets.hold_ms = static_cast<std::int64_t>(ms);
    }
    if (const auto etag = value.find("etag"); etag != value.end()) {
        RF_TRY(rule.sets.etag, parse_etag_form(*etag, name));
    }
    return rule;
}

}  // namespace

Result<DeliveryRules> parse_delivery(std::string_view json) {
    RF_TRY(const Json rules, parse_rules(json, kDeliveryRulesMax));
    DeliveryRules parsed;
    for (const Json& rule : rules) {
        RF_TRY(DeliveryRule one,
               parse_delivery_rule(rule, fmt::format("rule {}", parsed.size() + 1)));
        parsed.push_back(std::move(one));
    }
    return parsed;
}

Delivery decide_delivery(const DeliveryRules& rules, std::string_view path) {
    Delivery decided;
    const auto take = [](auto& into, const auto& from) {
        if (into == std::decay_t<decltype(into)>{}) into = from;
    };
    for (const DeliveryRule& rule : rules) {
        if (!rule.path.matches(path)) continue;
        take(decided.cache_control, rule.sets.cache_control);
        take(decided.not_found_cache_control, rule.sets.not_found_cache_control);
        take(decided.content_type, rule.sets.content_type);
        take(decided.hold_ms, rule.sets.hold_ms);
        take(decided.etag, rule.sets.etag);
    }
    return decided;
}

}  // namespace reelfs::policy
