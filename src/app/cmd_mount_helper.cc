// /usr/sbin/mount.fuse.reelfs, a link to this program: how mount(8), fstab and systemd start us.
//
//     mount.fuse.reelfs SOURCE MOUNTPOINT [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE.SUBTYPE]
//
// -s: ignore unknown options. -f: do everything but mount. -n: no mtab (there is none). -v: say
// what was mounted. SOURCE is the store.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "app/commands.h"

namespace reelfs::app {

namespace {

Exit usage(const std::string& problem) {
    fmt::print(stderr,
               "mount.fuse.reelfs: {}\n"
               "usage: mount.fuse.reelfs STORE MOUNTPOINT [-sfnv] [-o OPTIONS]; see reelfs(1)\n",
               problem);
    return Exit::kUsage;
}

}  // namespace

Exit run_mount_helper(Machine& machine, int argc, char** argv) {
    ServeArguments arguments;
    arguments.quiet = true;
    bool fake = false;
    std::vector<std::string> places;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word.size() < 2 || word[0] != '-') {
            places.emplace_back(word);
            continue;
        }
        for (std::size_t at = 1; at < word.size(); ++at) {
            const char flag = word[at];
            if (flag == 'o' || flag == 't' || flag == 'N') {
                std::string value(word.substr(at + 1));
                if (value.empty() && ++i < argc) value = argv[i];
                if (value.empty()) return usage(fmt::format("-{} needs a value", flag));
                if (flag == 'o') arguments.options.push_back(value);
                break;
            }
            if (flag == 's')
                arguments.ignore_unknown_options = true;
            else if (flag == 'f')
                fake = true;
            else if (flag == 'v')
                arguments.quiet = false;
            else if (flag != 'n')
                return usage(fmt::format("unknown flag -{}", flag));
        }
    }
    if (places.size() != 2) return usage("a store and a mountpoint are needed");
    arguments.store = places[0];
    arguments.mountpoint = places[1];
    if (fake) return Exit::kOk;
    return run_mount(machine, arguments);
}

}  // namespace reelfs::app
