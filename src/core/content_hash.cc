#include "core/content_hash.h"

#include <algorithm>
#include <vector>

namespace reelfs::core {

// offset  size  what
//      0    16  ETag of the content
//     16    32  SHA-256 of the content
constexpr std::size_t kETagBytes = 16, kHashBytes = 32;

Result<void> set_content_hash(catalog::Writer& w, catalog::NodeRow& row, Bytes sha256) {
    std::vector<std::byte> value = copy_of(row.etag.bytes);
    value.insert(value.end(), sha256.begin(), sha256.end());
    RF_CHECK(w.set_xattr(row.attributes.node, kContentHashName, value));
    row.has_xattrs = true;
    return done();
}

Result<std::optional<std::string>> content_hash(catalog::Reader& r, const catalog::NodeRow& row) {
    std::optional<std::string> hex;
    if (!row.has_xattrs) return hex;
    RF_TRY(auto value, r.xattr(row.attributes.node, kContentHashName));
    if (!value || value->size() != kETagBytes + kHashBytes) return hex;
    if (std::equal(row.etag.bytes.begin(), row.etag.bytes.end(), value->begin()))
        hex = to_hex(Bytes(*value).subspan(kETagBytes));
    return hex;
}

}  // namespace reelfs::core
