#include "reelfs/model/ids.h"

#include "reelfs/base/bytes.h"

namespace reelfs {

std::string PackId::hex() const {
    return to_hex(bytes);
}
std::string StoreId::hex() const {
    return to_hex(bytes);
}
std::string ETag::hex() const {
    return to_hex(bytes);
}

}  // namespace reelfs
