#include <fmt/format.h>

#include "app/ask_and_print.h"
#include "app/commands.h"
#include "app/text.h"

namespace reelfs::app {

namespace {

void print_one(const Json& container) {
    fmt::print("name:       {}\n", text_member(container, "name"));
    fmt::print("id:         {}\n", number_member(container, "id", 0));
    fmt::print("created:    {}\n", text_member(container, "created"));
    fmt::print("block size: {}\n", format_size(number_member(container, "block_bytes", 0)));
    fmt::print("endpoint:   {}\n", text_member(container, "endpoint_id"));
    const std::string profile = text_member(container, "profile");
    fmt::print("profile:    {}\n", profile.empty() ? "default" : profile);
    const std::uint64_t objects = number_member(container, "used_objects", 0);
    const std::string bytes = format_size(number_member(container, "used_bytes", 0));
    const auto limit = [&](const char* key) {
        return container.contains(key) && container[key].is_number();
    };
    fmt::print("bytes:      {}{}\n", bytes,
               limit("quota_bytes")
                   ? " of " + format_size(number_member(container, "quota_bytes", 0))
                   : "");
    fmt::print("objects:    {}{}\n", objects,
               limit("quota_objects")
                   ? fmt::format(" of {}", number_member(container, "quota_objects", 0))
                   : "");
}

void print_containers(const Request& request, const Json& result) {
    if (const auto* create = std::get_if<request::ContainerCreate>(&request)) {
        fmt::print("created container {}\n", create->name);
    } else if (const auto* remove = std::get_if<request::ContainerDelete>(&request)) {
        fmt::print("deleted container {}; its key is gone from every zone\n", remove->name);
    } else if (std::holds_alternative<request::ContainerDescribe>(request) ||
               std::holds_alternative<request::ContainerQuota>(request)) {
        print_one(result);
    } else {
        for (const Json& container : result) fmt::print("{}\n", text_member(container, "name"));
    }
}

}  // namespace

Exit run_container(Machine& machine, const StoreArguments& arguments, const Request& request) {
    return ask_and_print(machine, arguments, request, print_containers);
}

}  // namespace reelfs::app
