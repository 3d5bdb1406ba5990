#include "reelfs/model/names.h"

#include <algorithm>

#include "reelfs/model/limits.h"

namespace reelfs {

namespace {
bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}
}  // namespace

Result<void> check_container_name(std::string_view name) {
    if (name.size() > limits::name_bytes_max)
        return Error(Errc::kNameTooLong, "a container name has at most 255 characters");
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_word))
        return Error(Errc::kInvalid,
                     "a container name is 1 to 255 of the characters A-Z a-z 0-9 _ -");
    return done();
}

Result<void> check_component(std::string_view name) {
    if (name.size() > limits::name_bytes_max)
        return Error(Errc::kNameTooLong, "a name has at most 255 bytes");
    if (name.empty() || name == "." || name == "..")
        return Error(Errc::kInvalid, "a name may not be empty, \".\" or \"..\"");
    if (name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos)
        return Error(Errc::kInvalid, "a name may not hold a slash or a NUL byte");
    return done();
}

Result<Components> split_path(std::string_view path) {
    Components components;
    while (!path.empty()) {
        std::size_t slash = std::min(path.find('/'), path.size());
        if (slash > 0) {
            RF_CHECK(check_component(path.substr(0, slash)));
            components.emplace_back(path.substr(0, slash));
        }
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return components;
}

}  // namespace reelfs
