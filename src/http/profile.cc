#include "http/profile.h"

#include <algorithm>

#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

bool is_mediastore_char(char c) {
    return is_digit(c) || is_alpha(c) || std::string_view("_=:.-~").find(c) != std::string::npos;
}

}  // namespace

Profile profile_of(std::string_view name) {
    if (name == "mediastore")
        return {.standard_bytes_max = limits::mediastore_standard_bytes_max,
                .streaming_bytes_max = limits::mediastore_streaming_bytes_max,
                .upload_ms_max = limits::mediastore_upload_ms_max,
                .limits_names = true};
    return {.standard_bytes_max = limits::file_bytes_max,
            .streaming_bytes_max = limits::file_bytes_max,
            .upload_ms_max = 0,
            .limits_names = false};
}

Result<void> check_upload_path(const Profile& profile, const Components& path) {
    if (!profile.limits_names) return done();
    if (path.size() > limits::mediastore_segments_max)
        return Error(Errc::kInvalid, "a path has at most 10 folders and a name here");
    std::size_t length = path.size() - 1;
    for (const std::string& name : path) {
        length += name.size();
        if (!std::all_of(name.begin(), name.end(), is_mediastore_char))
            return Error(Errc::kInvalid, "a name is made of A-Z a-z 0-9 _ = : . - ~ here");
    }
    if (length > limits::mediastore_path_bytes_max)
        return Error(Errc::kInvalid, "a path has at most 900 characters here");
    return done();
}

}  // namespace reelfs::http
