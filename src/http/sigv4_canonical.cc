#include "http/sigv4_canonical.h"

#include <algorithm>
#include <utility>

#include "http/text.h"

namespace reelfs::http::sigv4 {

namespace {

constexpr std::string_view kSignatureKey = "X-Amz-Signature";

constexpr bool is_unreserved(char c) {
    return is_digit(c) || is_alpha(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

/// Adds `value` with each run of blanks as one blank.
void append_squeezed(std::string& text, std::string_view value) {
    bool blank = false;
    for (char c : trimmed(value)) {
        const bool is_blank = c == ' ' || c == '\t';
        if (is_blank && blank) continue;
        text.push_back(is_blank ? ' ' : c);
        blank = is_blank;
    }
}

}  // namespace

RawTarget split_target(std::string_view target) {
    const std::size_t question = target.find('?');
    if (question == std::string_view::npos) return {target, {}};
    return {target.substr(0, question), target.substr(question + 1)};
}

std::string encoded_again(std::string_view path) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string text;
    text.reserve(path.size());
    for (char c : path) {
        if (is_unreserved(c) || c == '/') {
            text.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        text.push_back('%');
        text.push_back(kHex[byte >> 4]);
        text.push_back(kHex[byte & 15]);
    }
    return text;
}

std::string collapsed(std::string_view path) {
    std::vector<std::string_view> segments;
    const bool trailing = path.ends_with('/');
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string_view segment = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (segment == "..") {
            if (!segments.empty()) segments.pop_back();
        } else if (!segment.empty() && segment != ".") {
            segments.push_back(segment);
        }
    }
    std::string text;
    for (std::string_view segment : segments) text.append("/").append(segment);
    if (text.empty() || trailing) text.push_back('/');
    return text;
}

std::vector<std::string> canonical_paths(std::string_view path) {
    std::vector<std::string> forms{encoded_again(collapsed(path)), encoded_again(path),
                                   std::string(path)};
    for (auto form = forms.begin(); form != forms.end();) {
        const bool known = std::find(forms.begin(), form, *form) != form;
        form = known ? forms.erase(form) : form + 1;
    }
    return forms;
}

std::string canonical_query(std::string_view query) {
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (pair.empty()) continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const std::string_view name = pair.substr(0, equals);
        if (name == kSignatureKey) continue;
        pairs.emplace_back(name, pair.substr(std::min(equals + 1, pair.size())));
    }
    std::sort(pairs.begin(), pairs.end());
    std::string text;
    for (const auto& pair : pairs) {
        if (!text.empty()) text.push_back('&');
        text.append(pair.first).append("=").append(pair.second);
    }
    return text;
}

std::string canonical_headers(const RequestHead& head, const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        text.append(name).push_back(':');
        bool first = true;
        for (const RequestHead::Field& field : head.fields) {
            if (!equal_ignoring_case(field.name, name)) continue;
            if (!std::exchange(first, false)) text.push_back(',');
            append_squeezed(text, field.value);
        }
        text.push_back('\n');
    }
    return text;
}

}  // namespace reelfs::http::sigv4
