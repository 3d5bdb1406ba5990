// What the commands on containers, users and tokens have in common: one request, one answer, shown
// to people or to scripts.
#pragma once

#include "app/commands.h"

namespace reelfs::app {

using PrintForPeople = void(const Request& request, const Json& answer);

/// Finds the store, has the request carried out, prints the answer: as JSON where that was asked
/// for, else with `print`.
Exit ask_and_print(Machine& machine, const StoreArguments& arguments, const Request& request,
                   PrintForPeople& print);

}  // namespace reelfs::app
