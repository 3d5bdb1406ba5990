#include "app/access_service.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "app/store_service.h"
#include "app/text.h"
#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {

struct ActionWord {
    std::string_view word;
    Action action;
};
constexpr std::array kActionWords{
    ActionWord{"put", Action::kPutObject}, ActionWord{"delete", Action::kDeleteObject},
    ActionWord{"get", Action::kGetObject}, ActionWord{"head", Action::kDescribeObject},
    ActionWord{"list", Action::kListItems}};

Result<ActionSet> parse_actions(std::string_view list) {
    ActionSet actions;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view word = list.substr(0, comma);
        list.remove_prefix(std::min(comma + 1, list.size()));
        bool known = false;
        for (const ActionWord& one : kActionWords) {
            if (one.word != word) continue;
            actions.add(one.action);
            known = true;
        }
        if (!known)
            return Error(
                Errc::kInvalid,
                fmt::format("\"{}\" is no action; there are put, delete, get, head and list",
                            word));
    }
    return actions;
}

std::string format_actions(ActionSet actions) {
    std::string list;
    for (const ActionWord& one : kActionWords)
        if (actions.has(one.action)) list.append(list.empty() ? "" : ",").append(one.word);
    return list;
}

Json to_json(const core::UserInfo& user) {
    return {{"UserName", user.name},
            {"AccessKeyId", user.access_key_id},
            {"Status", user.disabled ? "Disabled" : "Enabled"},
            {"Created", format_time(user.created)},
            {"KeyCreated", format_time(user.key_created)}};
}

Json to_json(const core::IssuedKey& issued) {
    Json object = to_json(issued.user);
    object["SecretAccessKey"] = std::string(issued.secret.view());
    return object;
}

Json to_json(const core::TokenInfo& token, const std::string& container) {
    Json object = {{"Id", token.id},
                   {"Container", container},
                   {"Prefix", fmt::format("{}", fmt::join(token.grant.prefix, "/"))},
                   {"Actions", format_actions(token.grant.actions)},
                   {"Created", format_time(token.created)},
                   {"Expires", nullptr}};
    if (token.expires) object["Expires"] = format_time(*token.expires);
    return object;
}

Result<Json> list_tokens(core::Volume& volume) {
    RF_TRY(auto containers, volume.tree().containers());
    std::map<ContainerId, std::string> names;
    for (const core::ContainerInfo& one : containers) names[one.container] = one.name;
    Json list = Json::array();
    for (const core::TokenInfo& token : volume.accounts().tokens()) {
        const auto name = names.find(token.grant.container);
        // A container's id is never used again, so the token of a deleted one opens nothing.
        list.push_back(to_json(token, name == names.end() ? "" : name->second));
    }
    return list;
}

Result<Json> create_token(core::Volume& volume, const request::TokenCreate& wanted) {
    Grant grant;
    RF_TRY(grant.actions, parse_actions(wanted.actions));
    RF_TRY(grant.prefix, split_path(wanted.prefix));
    auto container = volume.tree().container(wanted.container);
    if (!container && container.error().code() == Errc::kNotFound)
        return no_container(wanted.container);
    if (!container) return std::move(container).error();
    grant.container = container->container;
    RF_TRY(auto issued, volume.accounts().create_token(grant, wanted.lifetime));
    log::info("token {} was made", issued.token.id);
    Json object = to_json(issued.token, wanted.container);
    object["Token"] = std::string(issued.text.view());
    return object;
}

}  // namespace

Answer answer_access(core::Volume& volume, const Request& request) {
    core::Accounts& accounts = volume.accounts();
    if (const auto* create = std::get_if<request::UserCreate>(&request)) {
        RF_TRY(auto issued, accounts.create_user(create->name));
        log::info("a user was made, with access key {}", issued.user.access_key_id);
        return to_json(issued);
    }
    if (std::holds_alternative<request::UserList>(request)) {
        Json list = Json::array();
        for (const core::UserInfo& user : accounts.users()) list.push_back(to_json(user));
        return list;
    }
    if (const auto* enable = std::get_if<request::UserEnable>(&request)) {
        RF_TRY(auto user, accounts.set_disabled(enable->name, !enable->enabled));
        log::info("access key {} is {}", user.access_key_id,
                  user.disabled ? "disabled" : "enabled");
        return to_json(user);
    }
    if (const auto* remove = std::get_if<request::UserDelete>(&request)) {
        RF_CHECK(accounts.delete_user(remove->name));
        log::info("a user was deleted");
        return Json::object();
    }
    if (const auto* rotate = std::get_if<request::UserRotate>(&request)) {
        RF_TRY(auto issued, accounts.rotate_key(rotate->name));
        log::info("an access key was replaced by {}", issued.user.access_key_id);
        return to_json(issued);
    }
    if (const auto* create = std::get_if<request::TokenCreate>(&request))
        return create_token(volume, *create);
    if (std::holds_alternative<request::TokenList>(request)) return list_tokens(volume);
    if (const auto* revoke = std::get_if<request::TokenRevoke>(&request)) {
        RF_CHECK(accounts.revoke_token(revoke->id));
        log::info("token {} was revoked", revoke->id);
        return Json::object();
    }
    return Error(Errc::kInvalid, "no request on users or tokens");
}

}  // namespace reelfs::app
