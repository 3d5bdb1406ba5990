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

/// Hexadecimal: a key file is any bytes.
Json shape_of_secret(const request::Secret& secret) {
    return {{"kind", name_of(secret.kind)}, {"bytes", to_hex(bytes_of(secret.bytes))}};
}

std::optional<request::Secret> secret_in(const Json& object, const char* member) {
    const auto found = object.find(member);
    if (found == object.end() || !found->is_object()) return std::nullopt;
    const auto bytes = from_hex(text_member(*found, "bytes"));
    if (!bytes) return std::nullopt;
    for (const auto kind : {crypto::SlotKind::kEmpty, crypto::SlotKind::kPassphrase,
                            crypto::SlotKind::kKeyFile, crypto::SlotKind::kRecovery})
        if (name_of(kind) == text_member(*found, "kind"))
            return request::Secret{kind, std::string(text_of(*bytes))};
    return std::nullopt;
}

Json shape_of_other(const request::KeyList&) {
    return {{"request", "key-list"}};
}
Json shape_of_other(const request::KeyChange& change) {
    Json shape = {{"request", "key-change"},
                  {"proof", shape_of_secret(change.proof)},
                  {"add", shape_of_secret(change.add)},
                  {"remove_own", change.remove_own}};
    if (change.remove) shape["remove"] = *change.remove;
    return shape;
}
Json shape_of_other(const request::JobStart& start) {
    return {{"request", "job-start"},       {"name", start.name}, {"directory", start.directory},
            {"container", start.container}, {"rate", start.rate}, {"restart", start.restart}};
}
Json shape_of_other(const request::JobStatus&) {
    return {{"request", "job-status"}};
}
Json shape_of_other(const request::JobCancel&) {
    return {{"request", "job-cancel"}};
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
                          [](const auto& key_or_job) -> Json { return shape_of_other(key_or_job); },
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

std::optional<Request> decode_key_request(const std::string& name, const Json& object) {
    if (name == "key-list") return request::KeyList{};
    if (name != "key-change") return std::nullopt;
    const auto proof = secret_in(object, "proof"), add = secret_in(object, "add");
    if (!proof || !add) return std::nullopt;
    request::KeyChange change{.proof = *proof,
                              .add = *add,
                              .remove = {},
                              .remove_own = flag_member(object, "remove_own")};
    if (object.contains("remove"))
        change.remove = number_member(object, "remove", crypto::kKeyringSlots);
    return change;
}

std::optional<Request> decode_job_request(const std::string& name, const Json& object) {
    if (name == "job-start")
        return request::JobStart{.name = text_member(object, "name"),
                                 .directory = text_member(object, "directory"),
                                 .container = text_member(object, "container"),
                                 .rate = number_member(object, "rate", 0),
                                 .restart = flag_member(object, "restart")};
    if (name == "job-status") return request::JobStatus{};
    if (name == "job-cancel") return request::JobCancel{};
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
    if (auto key = decode_key_request(name, object)) return *std::move(key);
    if (auto job = decode_job_request(name, object)) return *std::move(job);
    return Error(Errc::kInvalid, fmt::format("unknown request \"{}\"", name));
}

std::string_view name_of(crypto::SlotKind kind) {
    switch (kind) {
        case crypto::SlotKind::kEmpty:
            return "empty";
        case crypto::SlotKind::kPassphrase:
            return "passphrase";
        case crypto::SlotKind::kKeyFile:
            return "key-file";
        case crypto::SlotKind::kRecovery:
            return "recovery-key";
    }
    return "empty";
}

request::Secret secret_of(const crypto::Unlock& unlock) {
    return std::visit(
        Overloaded{[](const crypto::Passphrase& passphrase) {
                       return request::Secret{crypto::SlotKind::kPassphrase, passphrase.text};
                   },
                   [](const crypto::KeyFile& file) {
                       return request::Secret{crypto::SlotKind::kKeyFile,
                                              std::string(text_of(file.content))};
                   },
                   [](const crypto::RecoveryKey& key) {
                       return request::Secret{crypto::SlotKind::kRecovery, key.text};
                   }},
        unlock);
}

Result<crypto::Unlock> unlock_of(const request::Secret& secret) {
    switch (secret.kind) {
        case crypto::SlotKind::kEmpty:
            break;
        case crypto::SlotKind::kPassphrase:
            return crypto::Unlock(crypto::Passphrase{secret.bytes});
        case crypto::SlotKind::kKeyFile:
            return crypto::Unlock(crypto::KeyFile{copy_of(bytes_of(secret.bytes))});
        case crypto::SlotKind::kRecovery:
            return crypto::Unlock(crypto::RecoveryKey{secret.bytes});
    }
    return Error(Errc::kInvalid, "no key was given");
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
