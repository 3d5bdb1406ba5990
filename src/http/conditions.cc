#include "http/conditions.h"

#include "http/http_date.h"
#include "http/text.h"

namespace reelfs::http {

namespace {

struct EntityTag {
    std::string_view opaque;
    bool weak = false;
};

/// Takes the next tag off a list; nothing at its end.
std::optional<EntityTag> next_tag(std::string_view& rest) {
    while (!rest.empty() && (rest.front() == ',' || rest.front() == ' ' || rest.front() == '\t'))
        rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    EntityTag tag;
    if (rest.starts_with("W/\"")) {
        tag.weak = true;
        rest.remove_prefix(2);
    }
    if (rest.front() != '"') {
        tag.opaque = next_element(rest);
        return tag;
    }
    rest.remove_prefix(1);
    const std::size_t quote = rest.find('"');
    tag.opaque = rest.substr(0, quote);
    rest.remove_prefix(quote == std::string_view::npos ? rest.size() : quote + 1);
    return tag;
}

/// Whether any field line of `name` holds `*` or a tag that matches. The strong comparison is for
/// what acts on bytes (If-Match), the weak one for caches (If-None-Match).
enum class Comparison { kStrong, kWeak };
bool list_matches(const RequestHead& head, std::string_view name, const Validators& current,
                  Comparison comparison) {
    for (const RequestHead::Field& field : head.fields) {
        if (!equal_ignoring_case(field.name, name)) continue;
        if (field.value == "*") return true;
        std::string_view rest = field.value;
        while (auto tag = next_tag(rest)) {
            if (tag->weak && comparison == Comparison::kStrong) continue;
            if (!current.etag.empty() && tag->opaque == current.etag) return true;
        }
    }
    return false;
}

std::optional<std::int64_t> date_of(const RequestHead& head, std::string_view name,
                                    std::int64_t now_seconds) {
    const auto value = head.single(name);
    return value ? parse_http_date(*value, now_seconds) : std::nullopt;
}

}  // namespace

Verdict evaluate_conditions(const RequestHead& head, const Validators& current,
                            std::int64_t now_seconds) {
    if (head.has("if-match")) {
        if (!list_matches(head, "if-match", current, Comparison::kStrong))
            return Verdict::kPreconditionFailed;
    } else if (const auto date = date_of(head, "if-unmodified-since", now_seconds)) {
        if (current.last_modified && *current.last_modified > *date)
            return Verdict::kPreconditionFailed;
    }
    if (head.has("if-none-match")) {
        if (list_matches(head, "if-none-match", current, Comparison::kWeak))
            return Verdict::kNotModified;
    } else if (const auto date = date_of(head, "if-modified-since", now_seconds)) {
        if (current.last_modified && *current.last_modified <= *date) return Verdict::kNotModified;
    }
    return Verdict::kProceed;
}

bool range_applies(const RequestHead& head, const Validators& current, std::int64_t now_seconds) {
    if (!head.has("if-range")) return true;
    const auto value = head.single("if-range");
    if (!value || value->empty()) return false;
    if (const auto date = parse_http_date(*value, now_seconds))
        return current.last_modified && *current.last_modified == *date && *date < now_seconds;
    std::string_view rest = *value;
    const auto tag = next_tag(rest);
    return tag && trimmed(rest).empty() && !tag->weak && !current.etag.empty() &&
           tag->opaque == current.etag;
}

}  // namespace reelfs::http
