#include <fmt/format.h>

#include "app/commands.h"
#include "app/mount_table.h"
#include "app/store_access.h"
#include "app/text.h"

namespace reelfs::app {

namespace {

Json mounts_of(const std::string& store) {
    Json mounts = Json::array();
    for (const MountEntry& entry : read_mount_table()) {
        if (!is_reelfs(entry) || entry.source != store) continue;
        mounts.push_back(
            {{"mountpoint", entry.mountpoint}, {"dead", is_dead_mount(entry.mountpoint)}});
    }
    return mounts;
}

void print_field(const char* name, const std::string& value) {
    if (!value.empty()) fmt::print("{:<12}{}\n", name, value);
}

void print_space(const Json& space) {
    fmt::print("{:<12}{} free of {}, {} nodes\n",
               "space:", format_size(number_member(space, "free_bytes", 0)),
               format_size(number_member(space, "total_bytes", 0)),
               number_member(space, "nodes", 0));
    std::string held = fmt::format("{} in reserve for deleting on a full disk",
                                   format_size(number_member(space, "reserve_bytes", 0)));
    if (const std::uint64_t freed = number_member(space, "freed_bytes", 0); freed != 0)
        held += fmt::format(", {} deleted and about to be given back", format_size(freed));
    print_field("held back:", held);
}

void print_for_people(const Json& status) {
    print_field("store:", text_member(status, "store"));
    print_field("id:", text_member(status, "id"));
    if (flag_member(status, "running"))
        fmt::print("{:<12}yes, process {} since {}{}\n",
                   "running:", number_member(status, "pid", 0), text_member(status, "started"),
                   flag_member(status, "read_only") ? ", read-only" : "");
    else
        print_field("running:", "no");
    print_field("HTTP:", text_member(status, "url"));
    print_field("HTTPS:", url_of(text_member(status, "https"), "https"));
    print_field("admin:", text_member(status, "admin"));
    for (const Json& mount : status.at("mounts"))
        fmt::print("{:<12}{}{}\n", "mount:", text_member(mount, "mountpoint"),
                   flag_member(mount, "dead") ? " (dead: its daemon is gone; clear it with reelfs "
                                                "umount --force)"
                                              : "");
    if (auto space = status.find("space"); space != status.end()) print_space(*space);
    for (const Json& zone : status.value("zones", Json::array()))
        fmt::print(
            "{:<12}{} {}: {}\n", "zone:", number_member(zone, "id", 0), text_member(zone, "path"),
            zone.contains("error") ? text_member(zone, "error")
                                   : format_size(number_member(zone, "free_bytes", 0)) + " free");
    for (const Json& container : status.value("containers", Json::array()))
        print_field("container:", text_member(container, "name"));
    print_field("closed:", text_member(status, "closed"));
    const std::string degraded = text_member(status, "degraded");
    if (status.contains("degraded"))
        print_field("state:", degraded.empty() ? "good" : "DEGRADED: " + degraded);
    if (const std::uint64_t damaged = number_member(status, "damaged_reads", 0); damaged != 0)
        fmt::print("{:<12}{} reads met bytes that are not authentic; the log says where\n",
                   "DAMAGE:", damaged);
    for (const Json& line : status.value("open_report", Json::array()))
        if (line.is_string()) print_field("at open:", line.get<std::string>());
}

/// What can be said without a key: nothing here waits, asks a person or opens the store.
Json status_without_key(const StoreName& store, const std::string& why) {
    return {{"store", store.path}, {"id", store.id.hex()}, {"running", false}, {"closed", why}};
}

Answer find_status(Machine& machine, const StoreName& store, const KeyChoice& keys) {
    RF_TRY(auto holder, find_holder(store.path));
    if (holder && holder->socket.empty())
        return status_without_key(store, "in use by " + describe(*holder));
    if (!holder && keys == KeyChoice{}) {
        RF_TRY(bool there, machine.disk.exists(default_key_file(current_person(), store.id)));
        if (!there) return status_without_key(store, "not running, and no key was given");
    }
    return ask(machine, store, keys, request::Status{});
}

}  // namespace

Exit run_status(Machine& machine, const StoreArguments& arguments) {
    auto store = find_store(machine, arguments.store);
    if (!store) return fail(store.error());
    auto answer = find_status(machine, *store, arguments.keys);
    if (!answer) return fail(answer.error());
    Json status = std::move(answer).value();
    status["mounts"] = mounts_of(store->path);
    if (arguments.json)
        fmt::print("{}\n", dump_json(status, 2));
    else
        print_for_people(status);
    return Exit::kOk;
}

}  // namespace reelfs::app
