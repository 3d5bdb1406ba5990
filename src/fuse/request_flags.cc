#include "fuse/request_flags.h"

#include <linux/fuse.h>

#include <cstddef>

namespace reelfs::fuse {
namespace {

constexpr std::size_t kBody = sizeof(fuse_in_header);

static_assert(offsetof(fuse_in_header, opcode) == 4);
static_assert(kBody + offsetof(fuse_write_in, write_flags) == 60);
static_assert(kBody + offsetof(fuse_setattr_in, valid) == 40);
static_assert(kBody + offsetof(fuse_open_in, open_flags) == 44);

thread_local std::optional<bool> t_drops_privileges;

std::optional<bool> has(Bytes request, std::size_t offset, std::uint32_t flag) {
    if (request.size() < offset + 4) return std::nullopt;
    return (load_le<std::uint32_t>(request.data() + offset) & flag) != 0;
}

}  // namespace

std::optional<bool> drops_privileges(Bytes request) {
    if (request.size() < kBody) return std::nullopt;
    switch (load_le<std::uint32_t>(request.data() + 4)) {
        case FUSE_WRITE:
            return has(request, 60, FUSE_WRITE_KILL_SUIDGID);
        case FUSE_SETATTR:
            return has(request, 40, FATTR_KILL_SUIDGID);
        case FUSE_OPEN:
            return has(request, 44, FUSE_OPEN_KILL_SUIDGID);
        default:
            return std::nullopt;
    }
}

void note_request(Bytes request) {
    t_drops_privileges = drops_privileges(request);
}

std::optional<bool> noted_request_drops_privileges() {
    return t_drops_privileges;
}

}  // namespace reelfs::fuse
