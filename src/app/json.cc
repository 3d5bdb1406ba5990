#include "app/json.h"

#include <set>
#include <vector>

namespace reelfs::app {

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
    if (value.is_discarded()) return Error(Errc::kInvalid, "not JSON");
    return value;
}

std::string dump_json(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string text_member(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_member(const Json& object, const char* key, std::uint64_t fallback) {
    auto found = object.find(key);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>()
                                                                : fallback;
}

bool flag_member(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace reelfs::app
