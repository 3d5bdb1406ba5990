// `reelfs sync STORE`: everything acknowledged so far survives power loss when this returns. It
// exists because sync(2) and syncfs(2) never reach a FUSE daemon.
#include <fmt/format.h>

#include "app/commands.h"
#include "app/store_access.h"

namespace reelfs::app {

Exit run_sync(Machine& machine, const StoreArguments& arguments) {
    auto store = find_store(machine, arguments.store);
    if (!store) return fail(store.error());
    auto answer = ask(machine, *store, arguments.keys, request::Sync{});
    if (!answer) return fail(answer.error());
    if (arguments.json) fmt::print("{}\n", dump_json({{"synced", store->path}}));
    return Exit::kOk;
}

}  // namespace reelfs::app
