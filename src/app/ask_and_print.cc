#include "app/ask_and_print.h"

#include <fmt/format.h>

#include "app/store_access.h"

namespace reelfs::app {

Exit ask_and_print(Machine& machine, const StoreArguments& arguments, const Request& request,
                   PrintForPeople& print) {
    auto store = find_store(machine, arguments.store);
    if (!store) return fail(store.error());
    auto answer = ask(machine, *store, arguments.keys, request);
    if (!answer) return fail(answer.error());
    if (arguments.json)
        fmt::print("{}\n", dump_json(*answer, 2));
    else
        print(request, *answer);
    return Exit::kOk;
}

}  // namespace reelfs::app
