// What the kernel says in a request and libfuse does not hand on: whether the caller's change of
// content takes suid and sgid away (it has no CAP_FSETID). We promised to see to it with
// HANDLE_KILLPRIV_V2 (init_patch.h).
//
//     offset 0   in-header (40 bytes): u32 length, u32 opcode at 4, ...
//            40  WRITE    u64 handle, u64 offset, u32 size, u32 flags at 60: 4
//            40  SETATTR  u32 valid: 0x800
//            40  OPEN     u32 flags, u32 open flags at 44: 1 (with O_TRUNC)
//
// FALLOCATE and COPY_FILE_RANGE have no such flag.
#pragma once

#include <cstdint>
#include <optional>

#include "reelfs/base/bytes.h"

namespace reelfs::fuse {

/// Nothing when requests of this kind do not say it, or `request` is too short.
std::optional<bool> drops_privileges(Bytes request);

/// Of the request that this thread has read last, which is the one it works on.
void note_request(Bytes request);
std::optional<bool> noted_request_drops_privileges();

}  // namespace reelfs::fuse
