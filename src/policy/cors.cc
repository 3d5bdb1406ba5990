// The CORS policy, see reelfs/policy/cors.h. Bounds are those of the MediaStore model.
#include "reelfs/policy/cors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "reelfs/model/limits.h"
#include "reelfs/policy/json.h"

namespace reelfs::policy {

namespace {

constexpr std::size_t kCorsBytesMax = 398'000;
constexpr std::size_t kCorsRulesMax = 100;
constexpr std::size_t kListMax = 100;
constexpr std::size_t kOriginBytesMax = 2'048;
constexpr std::size_t kHeaderBytesMax = 8'192;
constexpr std::uint64_t kMaxAgeMax = 2'147'483'647;
constexpr std::array<std::string_view, 4> kMethods{"PUT", "GET", "DELETE", "HEAD"};

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same_ignoring_case(char a, char b) {
    return lower(a) == lower(b);
}
bool same(char a, char b) {
    return a == b;
}

bool is_token_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_header_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), is_token_character);
}
bool is_origin(std::string_view origin) {
    return !origin.empty() && origin.size() <= limits::header_value_bytes_max &&
           std::all_of(origin.begin(), origin.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// `pattern` has at most one "*".
bool matches(std::string_view pattern, std::string_view text, bool (*equal)(char, char)) {
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos)
        return std::equal(pattern.begin(), pattern.end(), text.begin(), text.end(), equal);
    const std::string_view head = pattern.substr(0, star);
    const std::string_view tail = pattern.substr(star + 1);
    return text.size() >= head.size() + tail.size() &&
           std::equal(head.begin(), head.end(), text.begin(), equal) &&
           std::equal(tail.rbegin(), tail.rend(), text.rbegin(), equal);
}

/// Reads the members of one rule; where it stands is in every error.
class RuleReader {
  public:
    RuleReader(const Json& rule, std::size_t number) : rule_(rule), number_(number) {}

    Result<CorsRule> read() const {
        if (!rule_.is_object()) return wrong("is no object");
        for (const auto& member : rule_.items())
            if (std::find(kMembers.begin(), kMembers.end(), member.key()) == kMembers.end())
                return wrong(fmt::format("has a member \"{}\"; there are {}", member.key(),
                                         fmt::join(kMembers, ", ")));
        CorsRule rule;
        RF_TRY(rule.origins, list("AllowedOrigins", 1, kOriginBytesMax));
        RF_TRY(rule.methods, list("AllowedMethods", 1, kHeaderBytesMax));
        RF_TRY(rule.headers, list("AllowedHeaders", 0, kHeaderBytesMax));
        for (const std::string& origin : rule.origins) RF_CHECK(check_origin(origin));
        for (const std::string& method : rule.methods)
            if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end())
                return wrong(fmt::format("AllowedMethods has \"{}\"; there are {}", method,
                                         fmt::join(kMethods, ", ")));
        for (const std::string& header : rule.headers)
            RF_CHECK(check_header("AllowedHeaders", header));
        if (rule_.contains("ExposeHeaders")) {
            RF_TRY(rule.exposed, exposed());
        }
        if (rule_.contains("MaxAgeSeconds")) {
            RF_TRY(rule.max_age_seconds, max_age());
        }
        return rule;
    }

  private:
    static constexpr std::array<const char*, 5> kMembers{
        "AllowedOrigins", "AllowedMethods", "AllowedHeaders", "ExposeHeaders", "MaxAgeSeconds"};

    Error wrong(const std::string& what) const {
        return {Errc::kInvalid, fmt::format("CORS rule {} {}", number_, what)};
    }

    Result<std::vector<std::string>> list(const char* member, std::size_t least,
                                          std::size_t bytes_max) const {
        const auto found = rule_.find(member);
        if (found == rule_.end())
            return wrong(fmt::format("has no {}, which it needs{}", member,
                                     least == 0 ? "; [] is for none" : ""));
        if (!found->is_array() || found->size() < least || found->size() > kListMax)
            return wrong(fmt::format("{} is no list of {} to {} strings", member, least, kListMax));
        std::vector<std::string> values;
        for (const Json& value : *found) {
            if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
                value.get_ref<const std::string&>().size() > bytes_max)
                return wrong(fmt::format("{} has something that is no string of 1 to {} characters",
                                         member, bytes_max));
            values.push_back(value.get<std::string>());
        }
        return values;
    }

    Result<void> check_origin(const std::string& origin) const {
        if (is_origin(origin) && std::count(origin.begin(), origin.end(), '*') <= 1) return done();
        return wrong(
            fmt::format("AllowedOrigins has \"{}\"; an origin is at most {} visible "
                        "ASCII characters, with at most one \"*\"",
                        origin, limits::header_value_bytes_max));
    }

    Result<void> check_header(const char* member, const std::string& name) const {
        if (is_header_name(name) && std::count(name.begin(), name.end(), '*') <= 1) return done();
        return wrong(
            fmt::format("{} has \"{}\", which is no name of a header, with at most one "
                        "\"*\"",
                        member, name));
    }

    Result<std::string> exposed() const {
        RF_TRY(const auto names, list("ExposeHeaders", 0, kHeaderBytesMax));
        for (const std::string& name : names) RF_CHECK(check_header("ExposeHeaders", name));
        std::string joined = fmt::format("{}", fmt::join(names, ", "));
        if (joined.size() > limits::header_value_bytes_max)
            return wrong(fmt::format("ExposeHeaders are {} bytes together; at most {} are sent",
                                     joined.size(), limits::header_value_bytes_max));
        return joined;
    }

    Result<std::uint32_t> max_age() const {
        const Json& value = rule_.at("MaxAgeSeconds");
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxAgeMax)
            return wrong(fmt::format("MaxAgeSeconds is no number from 0 to {}", kMaxAgeMax));
        return static_cast<std::uint32_t>(value.get<std::uint64_t>());
    }

    const Json& rule_;
    const std::size_t number_;
};

bool covers(const std::vector<std::string>& allowed, std::string_view header) {
    return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
        return matches(pattern, header, same_ignoring_case);
    });
}

}  // namespace

Result<CorsRules> parse_cors(std::string_view json) {
    if (json.size() > kCorsBytesMax)
        return Error(Errc::kInvalid,
                     fmt::format("a CORS policy has at most {} characters", kCorsBytesMax));
    RF_TRY(const Json list, parse_json(json));
    if (!list.is_array() || list.empty() || list.size() > kCorsRulesMax)
        return Error(Errc::kInvalid,
                     fmt::format("a CORS policy is a list of 1 to {} rules", kCorsRulesMax));
    CorsRules rules;
    for (std::size_t i = 0; i < list.size(); ++i) {
        RF_TRY(CorsRule rule, RuleReader(list[i], i + 1).read());
        rules.push_back(std::move(rule));
    }
    return rules;
}

std::optional<CorsGrant> decide_cors(const CorsRules& rules, const CorsRequest& request) {
    // A browser asks for a handful; more would make this cost what nobody wants to pay. What is
    // sent back must be fit to stand in a header.
    if (request.headers.size() > kListMax || !is_origin(request.origin)) return std::nullopt;
    if (!std::all_of(request.headers.begin(), request.headers.end(), is_header_name))
        return std::nullopt;
    for (const CorsRule& rule : rules) {
        const auto origin = std::find_if(
            rule.origins.begin(), rule.origins.end(),
            [&](const std::string& entry) { return matches(entry, request.origin, same); });
        if (origin == rule.origins.end()) continue;
        if (std::find(rule.methods.begin(), rule.methods.end(), request.method) ==
            rule.methods.end())
            continue;
        if (!std::all_of(request.headers.begin(), request.headers.end(),
                         [&](std::string_view header) { return covers(rule.headers, header); }))
            continue;
        return CorsGrant{.origin = *origin == "*" ? "*" : std::string(request.origin),
                         .methods = fmt::format("{}", fmt::join(rule.methods, ", ")),
                         .headers = fmt::format("{}", fmt::join(request.headers, ", ")),
                         .exposed = rule.exposed,
                         .max_age_seconds = rule.max_age_seconds};
    }
    return std::nullopt;
}

}  // namespace reelfs::policy
