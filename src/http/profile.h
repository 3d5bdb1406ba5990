// What a container's profile bounds. The default profile bounds nothing beyond what a name and a
// file may be; `mediastore` has AWS Elemental MediaStore's limits. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "reelfs/base/result.h"
#include "reelfs/model/names.h"

namespace reelfs::http {

struct Profile {
    std::uint64_t standard_bytes_max = 0;
    std::uint64_t streaming_bytes_max = 0;
    std::int64_t upload_ms_max = 0;  // 0: no bound
    bool limits_names = false;

    std::uint64_t bytes_max(bool streaming) const {
        return streaming ? streaming_bytes_max : standard_bytes_max;
    }
};

/// `name`: of ContainerInfo.
Profile profile_of(std::string_view name);

/// Whether an object may get this path: kInvalid with the rule in words.
Result<void> check_upload_path(const Profile& profile, const Components& path);

}  // namespace reelfs::http
