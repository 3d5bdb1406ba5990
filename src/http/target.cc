#include "http/target.h"

#include <algorithm>

#include "http/text.h"

namespace reelfs::http {

Result<std::string> percent_decoded(std::string_view segment) {
    std::string decoded;
    decoded.reserve(segment.size());
    for (std::size_t i = 0; i < segment.size(); ++i) {
        if (segment[i] != '%') {
            decoded.push_back(segment[i]);
            continue;
        }
        const int high = i + 2 < segment.size() ? hex_digit(segment[i + 1]) : -1;
        const int low = i + 2 < segment.size() ? hex_digit(segment[i + 2]) : -1;
        if (high < 0 || low < 0)
            return Error(Errc::kInvalid, "a % is not followed by two hex digits");
        decoded.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return decoded;
}

Result<Target> parse_target(std::string_view target) {
    Target parsed;
    const std::size_t question = target.find('?');
    if (question != std::string_view::npos) parsed.query = target.substr(question + 1);
    std::string_view path = target.substr(0, question);
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        if (slash > 0) {
            RF_TRY(std::string name, percent_decoded(path.substr(0, slash)));
            RF_CHECK(check_component(name));
            parsed.segments.push_back(std::move(name));
        }
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return parsed;
}

std::string path_text(const Components& segments) {
    std::string text;
    for (const std::string& segment : segments) {
        text.push_back('/');
        text.append(segment);
    }
    return text.empty() ? "/" : text;
}

}  // namespace reelfs::http
