#include "http/item_request.h"

#include <nlohmann/json.hpp>

#include "http/data_access.h"
#include "http/item_query.h"
#include "http/mime.h"
#include "http/target.h"
#include "reelfs/base/log.h"

namespace reelfs::http {

namespace {

using Json = nlohmann::ordered_json;

Response failed(const Error& error, std::string_view path) {
    Response response = error_response(fault_of(error.code(), path));
    if (response.status >= 500) log::error("http: {}", error.message());
    return response;
}

Json json_of(const core::Item& item) {
    Json json{{"Name", item.name}, {"Type", item.folder ? "FOLDER" : "OBJECT"}};
    if (item.folder) return json;
    if (!item.etag.none()) json["ETag"] = item.etag.hex();
    json["LastModified"] = static_cast<double>(item.modified.ns / 1'000'000) / 1e3;
    const bool typed = is_safe_field_value(item.mime_type);
    json["ContentType"] = typed ? item.mime_type : std::string(mime_type_of(item.name));
    json["ContentLength"] = item.size;
    return json;
}

}  // namespace

Response list_items(ServerState& state, const Asker& asker, const Route& route,
                    std::string_view query) {
    const std::int64_t now = state.clock.now().seconds();
    const auto asked = parse_item_query(route.container, query, now);
    if (auto refused = refuse_access(state, asker, Action::kListItems, route.container,
                                     asked ? asked->folder : Components{}))
        return *std::move(refused);
    if (!asked) return error_response(400, asked.error().message());
    auto page = state.tree.list_items(route.container, asked->folder, asked->after, asked->max);
    if (!page) {
        if (page.error().code() == Errc::kNotFound)
            return error_response(container_not_found(route.container));
        return failed(page.error(), route.container + path_text(asked->folder));
    }
    state.unlistable_names += page->unlistable;
    Json body{{"Items", Json::array()}};
    for (const core::Item& item : page->items) body["Items"].push_back(json_of(item));
    if (page->more)
        body["NextToken"] = next_item_token(route.container, asked->folder, page->last, now);
    return text_response(200, "application/json",
                         body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void DeleteRequest::admit(ServerState& state, const Asker& asker) {
    failure = refuse_access(state, asker, Action::kDeleteObject, route.container, route.path);
    if (failure) return;
    if (auto container = state.tree.container(route.container); !container) {
        failure = container.error().code() == Errc::kNotFound
                      ? error_response(container_not_found(route.container))
                      : failed(container.error(), route.container);
        return;
    }
    auto begun = state.tree.begin_delete(route.container, route.path, ticket);
    if (begun)
        deletion = *std::move(begun);
    else
        failure = failed(begun.error(), asked_path(route));
}

void DeleteRequest::commit() {
    if (auto deleted = deletion->commit(); !deleted)
        failure = failed(deleted.error(), asked_path(route));
    deletion.reset();
}

}  // namespace reelfs::http
