#include "reelfs/policy/path_pattern.h"

namespace reelfs::policy {

namespace {

/// Each `*` takes as little as it can; when what follows does not fit, the last one takes one more.
/// An earlier one never needs to.
bool wildcard_matches(std::string_view pattern, std::string_view path) {
    constexpr std::size_t kNone = std::string_view::npos;
    std::size_t at = 0, seen = 0;
    std::size_t star = kNone, taken = 0;
    while (seen < path.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            taken = seen;
        } else if (at < pattern.size() && pattern[at] == path[seen]) {
            ++at;
            ++seen;
        } else if (star != kNone) {
            at = star + 1;
            seen = ++taken;
        } else {
            return false;
        }
    }
    while (at < pattern.size() && pattern[at] == '*') ++at;
    return at == pattern.size();
}

}  // namespace

bool PathPattern::matches(std::string_view path) const {
    switch (kind) {
        case Kind::kPrefix:
            return path.starts_with(text);
        case Kind::kWildcard:
            return wildcard_matches(text, path);
    }
    return false;
}

std::string joined_path(const Components& path) {
    std::string joined;
    for (const std::string& name : path) {
        if (!joined.empty()) joined.push_back('/');
        joined.append(name);
    }
    return joined;
}

}  // namespace reelfs::policy
