#include "app/protocol.h"

#include <fmt/format.h>

#include "app/text.h"

namespace reelfs::app {

namespace {

template <class... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

Json limit_to_json(const std::optional<std::uint64_t>& limit) {
    return limit ? Json(*limit) : Json(nullptr);
}

/// Absent: it stays; null: no limit.
Result<std::optional<std::optional<std::uint64_t>>> limit_of_json(const Json& object,
                                                                  const char* key) {
    using Limit = std::optional<std::uint64_t>;
    auto found = object.find(key);
    if (found == object.end()) return std::optional<Limit>();
    if (found->is_null()) return std::optional<Limit>(Limit());
    if (!found->is_number_unsigned())
        return Error(Errc::kInvalid, fmt::format("{} is no limit", key));
    return std::optional<Limit>(Limit(found->get<std::uint64_t>()));
}

Json shape_of(const Request& request) {
    return std::visit(Overloaded{
                          [](const request::Status&) -> Json {
                              return {{"request", "status"}};
                          },
                          [](const request::Sync&) -> Json {
                              return {{"request", "sync"}};
                          },
                          [](const request::Stop&) -> Json {
                              return {{"request", "stop"}};
                          },
                          [](const request::ContainerCreate& create) -> Json {
                              return {{"request", "container-create"},
                                      {"name", create.name},
                                      {"mode", create.mode},
                                      {"block_bytes", create.block_bytes},
                                      {"profile", create.profile}};
                          },
                          [](const request::ContainerList&) -> Json {
                              return {{"request", "container-list"}};
                          },
                          [](const request::ContainerDescribe& describe) -> Json {
                              return {{"request", "container-describe"}, {"name", describe.name}};
                          },
                          [](const request::ContainerDelete& remove) -> Json {
                              return {{"request", "container-delete"}, {"name", remove.name}};
                          },
                          [](const request::DocumentPut& put) -> Json {
                              return {{"request", "document-put"},
                                      {"name", put.container},
                                      {"kind", name_of(put.kind)},
                                      {"body", put.body}};
                          },
                          [](const request::DocumentGet& get) -> Json {
                              return {{"request", "document-get"},
                                      {"name", get.container},
                                      {"kind", name_of(get.kind)}};
                          },
                          [](const request::DocumentDelete& remove) -> Json {
                              return {{"request", "document-delete"},
                                      {"name", remove.container},
                                      {"kind", name_of(remove.kind)}};
                          },
                          [](const request::ContainerQuota& quota) -> Json {
                              Json shape = {{"request", "container-quota"}, {"name", quota.name}};
                              if (quota.change.bytes)
                                  shape["bytes"] = limit_to_json(*quota.change.bytes);
                              if (quota.change.objects)
                                  shape["objects"] = limit_to_json(*quota.change.objects);
                              return shape;
                          },
                          [](const request::UserCreate& create) -> Json {
                              return {{"request", "user-create"}, {"name", create.name}};
                          },
                          [](const request::UserList&) -> Json {
                              return {{"request", "user-list"}};
                          },
                          [](const request::UserEnable& enable) -> Json {
                              return {{"request", "user-enable"},
                                      {"name", enable.name},
                                      {"enabled", enable.enabled}};
                          },
                          [](const request::UserDelete& remove) -> Json {
                              return {{"request", "user-delete"}, {"name", remove.name}};
                          },
                          [](const request::UserRotate& rotate) -> Json {
                              return {{"request", "user-rotate"}, {"name", rotate.name}};
                          },
                          [](const request::TokenCreate& create) -> Json {
                              return {{"request", "token-create"},
                                      {"container", create.container},
                                      {"prefix", create.prefix},
                                      {"actions", create.actions},
                                      {"lifetime", create.lifetime}};
                          },
                          [](const request::TokenList&) -> Json {
                              return {{"request", "token-list"}};
                          },
                          [](const request::TokenRevoke& revoke) -> Json {
                              return {{"request", "token-revoke"}, {"id", revoke.id}};
                          },
                      },
                      request);
}

/// Those on documents of containers.
std::optional<Request> decode_document_request(const std::string& name, const Json& object) {
    const auto kind = document_kind_named(text_member(object, "kind"));
    if (!kind) return std::nullopt;
    std::string container = text_member(object, "name");
    if (name == "document-put")
        return request::DocumentPut{std::move(container), *kind, text_member(object, "body")};
    if (name == "document-get") return request::DocumentGet{std::move(container), *kind};
    if (name == "document-delete") return request::DocumentDelete{std::move(container), *kind};
    return std::nullopt;
}

/// Those on users and tokens.
std::optional<Request> decode_access_request(const std::string& name, const Json& object) {
    const std::string user = text_member(object, "name");
    if (name == "user-create") return request::UserCreate{user};
    if (name == "user-list") return request::UserList{};
    if (name == "user-enable") return request::UserEnable{user, flag_member(object, "enabled")};
    if (name == "user-delete") return request::UserDelete{user};
    if (name == "user-rotate") return request::UserRotate{user};
    if (name == "token-create")
        return request::TokenCreate{.container = text_member(object, "container"),
                                    .prefix = text_member(object, "prefix"),
                                    .actions = text_member(object, "actions"),
                                    .lifetime = number_member(object, "lifetime", 0)};
    if (name == "token-list") return request::TokenList{};
    if (name == "token-revoke") return request::TokenRevoke{text_member(object, "id")};
    return std::nullopt;
}

Errc code_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Errc::kNewerFormat); ++i) {
        const auto code = static_cast<Errc>(i);
        if (name_of(code) == name) return code;
    }
    return Errc::kIo;
}

}  // namespace

std::string encode_request(const Request& request) {
    return dump_json(shape_of(request));
}

Result<Request> decode_request(std::string_view line) {
    RF_TRY(Json object, parse_json(line));
    if (!object.is_object()) return Error(Errc::kInvalid, "a request is an object");
    const std::string name = text_member(object, "request");
    const std::string container = text_member(object, "name");
    if (name == "status") return Request(request::Status{});
    if (name == "sync") return Request(request::Sync{});
    if (name == "stop") return Request(request::Stop{});
    if (name == "container-list") return Request(request::ContainerList{});
    if (name == "container-describe") return Request(request::ContainerDescribe{container});
    if (name == "container-delete") return Request(request::ContainerDelete{container});
    if (name == "container-quota") {
        request::ContainerQuota quota{.name = container, .change = {}};
        RF_TRY(quota.change.bytes, limit_of_json(object, "bytes"));
        RF_TRY(quota.change.objects, limit_of_json(object, "objects"));
        return Request(std::move(quota));
    }
    if (name == "container-create") {
        const std::uint64_t mode = number_member(object, "mode", 0755);
        const std::uint64_t block_bytes = number_member(object, "block_bytes", 0);
        if (mode > 07777) return Error(Errc::kInvalid, "mode is no permission bits");
        if (block_bytes != 0)
            RF_CHECK([&]() -> Result<void> {
                auto checked = parse_block_size(std::to_string(block_bytes));
                return checked ? done() : Result<void>(std::move(checked).error());
            }());
        return Request(
            request::ContainerCreate{.name = container,
                                     .mode = static_cast<std::uint32_t>(mode),
                                     .block_bytes = static_cast<std::uint32_t>(block_bytes),
                                     .profile = text_member(object, "profile")});
    }
    if (auto document = decode_document_request(name, object)) return *std::move(document);
    if (auto access = decode_access_request(name, object)) return *std::move(access);
    return Error(Errc::kInvalid, fmt::format("unknown request \"{}\"", name));
}

std::string encode_answer(const Answer& answer) {
    if (answer) return dump_json({{"ok", true}, {"result", *answer}});
    return dump_json({{"ok", false},
                      {"error", std::string(name_of(answer.error().code()))},
                      {"message", answer.error().message()}});
}

Answer decode_answer(std::string_view line) {
    auto object = parse_json(line);
    if (!object || !object->is_object())
        return Error(Errc::kIo, "the daemon's answer cannot be read; its log says more");
    if (!flag_member(*object, "ok"))
        return Error(code_named(text_member(*object, "error")), text_member(*object, "message"));
    auto result = object->find("result");
    return result == object->end() ? Json::object() : *result;
}

Json to_json(const core::ContainerInfo& container) {
    return {{"name", container.name},
            {"id", container.container.value()},
            {"created", format_time(container.created)},
            {"block_bytes", container.block_bytes},
            {"endpoint_id", container.endpoint_id},
            {"profile", container.profile},
            {"used_bytes", container.used.bytes},
            {"used_objects", container.used.objects},
            {"quota_bytes", limit_to_json(container.quota.bytes)},
            {"quota_objects", limit_to_json(container.quota.objects)}};
}

Json to_json(const std::vector<core::ContainerInfo>& containers) {
    Json list = Json::array();
    for (const core::ContainerInfo& container : containers) list.push_back(to_json(container));
    return list;
}

}  // namespace reelfs::app
