#include "store/layout.h"

#include <algorithm>

#include "reelfs/base/bytes.h"

namespace reelfs::store {

namespace {
constexpr std::string_view kSuffix = ".pack";
}

std::string bucket_name(std::uint8_t bucket) {
    const std::byte byte{bucket};
    return to_hex(Bytes(&byte, 1));
}

std::string file_name(const PackId& pack) {
    return pack.hex().append(kSuffix);
}

std::optional<PackId> pack_of_file_name(std::string_view name) {
    PackId pack;
    if (name.size() != 2 * pack.bytes.size() + kSuffix.size() || !name.ends_with(kSuffix))
        return std::nullopt;
    name.remove_suffix(kSuffix.size());
    const auto bytes = from_hex(name);
    if (!bytes) return std::nullopt;
    std::copy(bytes->begin(), bytes->end(), pack.bytes.begin());
    // from_hex also takes capitals, which we never write.
    return pack.hex() == name ? std::optional(pack) : std::nullopt;
}

}  // namespace reelfs::store
