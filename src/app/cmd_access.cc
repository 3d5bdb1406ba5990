// `reelfs user` and `reelfs token`.
#include <fmt/format.h>

#include "app/ask_and_print.h"
#include "app/commands.h"

namespace reelfs::app {

namespace {

constexpr const char* kShownOnce = "it is shown this once and cannot be had again";

void print_key(const Json& result) {
    fmt::print("AccessKeyId:     {}\nSecretAccessKey: {}\n", text_member(result, "AccessKeyId"),
               text_member(result, "SecretAccessKey"));
    fmt::print(stderr, "Keep the secret: {}.\n", kShownOnce);
}

void print_user(const Json& user) {
    fmt::print("{:<24} {:<20} {:<8} {}\n", text_member(user, "UserName"),
               text_member(user, "AccessKeyId"), text_member(user, "Status"),
               text_member(user, "KeyCreated"));
}

void print_token(const Json& token) {
    const std::string container = text_member(token, "Container");
    const std::string expires = text_member(token, "Expires");
    fmt::print("{:<10} {:<24} {:<24} {:<20} {}\n", text_member(token, "Id"),
               container.empty() ? "(deleted)" : container, "/" + text_member(token, "Prefix"),
               text_member(token, "Actions"), expires.empty() ? "never" : expires);
}

void print_access(const Request& request, const Json& result) {
    if (std::holds_alternative<request::UserCreate>(request) ||
        std::holds_alternative<request::UserRotate>(request)) {
        print_key(result);
    } else if (std::holds_alternative<request::UserList>(request)) {
        for (const Json& user : result) print_user(user);
    } else if (const auto* enable = std::get_if<request::UserEnable>(&request)) {
        fmt::print("{} user {}\n", enable->enabled ? "enabled" : "disabled", enable->name);
    } else if (const auto* remove = std::get_if<request::UserDelete>(&request)) {
        fmt::print("deleted user {}\n", remove->name);
    } else if (std::holds_alternative<request::TokenCreate>(request)) {
        fmt::print("{}\n", text_member(result, "Token"));
        fmt::print(stderr, "Keep the token: {}.\n", kShownOnce);
    } else if (std::holds_alternative<request::TokenList>(request)) {
        for (const Json& token : result) print_token(token);
    } else {
        fmt::print("revoked token {}\n", std::get<request::TokenRevoke>(request).id);
    }
}

}  // namespace

Exit run_access(Machine& machine, const StoreArguments& arguments, const Request& request) {
    return ask_and_print(machine, arguments, request, print_access);
}

}  // namespace reelfs::app
