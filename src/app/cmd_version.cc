#include <fmt/format.h>

#include "app/commands.h"

namespace reelfs::app {

Exit run_version(bool json) {
    constexpr int kStoreFormat = 1;
    if (json)
        fmt::print("{}\n", dump_json({{"version", REELFS_VERSION}, {"format", kStoreFormat}}));
    else
        fmt::print("reelfs {} (store format {})\n", REELFS_VERSION, kStoreFormat);
    return Exit::kOk;
}

}  // namespace reelfs::app
