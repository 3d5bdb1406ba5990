// The header of an extent as found on a disk: any bytes give a header within its limits or an
// error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "reelfs/content/extent_codec.h"
#include "reelfs/model/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    if (auto header = reelfs::content::decode_header(bytes)) {
        const auto& shape = header->shape;
        if (shape.block_shift < reelfs::limits::block_shift_min ||
            shape.block_shift > reelfs::limits::block_shift_max || header->block_count == 0)
            std::abort();
    }
    (void)reelfs::content::verify_checksums(bytes).ok();
    return 0;
}
