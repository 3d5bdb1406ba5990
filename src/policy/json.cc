#include "reelfs/policy/json.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace reelfs::policy {

namespace {

/// Where the parser stumbled, in its own words.
Error not_json(std::string_view text) {
    try {
        [[maybe_unused]] const Json value = Json::parse(text);
    } catch (const Json::exception& problem) {
        std::string_view what = problem.what();
        what.remove_prefix(std::min(what.find("] ") + 2, what.size()));
        return {Errc::kInvalid, "not JSON: " + std::string(what)};
    }
    return {Errc::kInvalid, "not JSON"};
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    bool too_deep = false;
    bool twice = false;
    std::vector<std::set<std::string>> keys;
    auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (depth > kJsonDepthMax) too_deep = true;
        switch (event) {
            case Json::parse_event_t::object_start:
                keys.emplace_back();
                break;
            case Json::parse_event_t::object_end:
                keys.pop_back();
                break;
            case Json::parse_event_t::key:
                if (!keys.back().insert(parsed.get<std::string>()).second) twice = true;
                break;
            case Json::parse_event_t::array_start:
            case Json::parse_event_t::array_end:
            case Json::parse_event_t::value:
                break;
        }
        return !too_deep && !twice;
    };
    // The parser recurses over nothing, but a discarded value must not look like null.
    Json value = Json::parse(text, check, false);
    if (too_deep) return Error(Errc::kInvalid, "JSON nested deeper than 32 levels");
    if (twice) return Error(Errc::kInvalid, "JSON with a key named twice");
    if (value.is_discarded()) return not_json(text);
    return value;
}

}  // namespace reelfs::policy
