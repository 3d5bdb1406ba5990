#include "app/document_service.h"

#include <fmt/format.h>

#include "app/store_service.h"
#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {

Error no_document(const std::string& container, DocumentKind kind) {
    return {Errc::kNotFound, fmt::format("container {0} has no {1} document; reelfs {1} put {0} "
                                         "FILE sets one",
                                         container, name_of(kind))};
}

/// What the tree answered; what it did not find is the container.
template <class T>
Result<T> found(Result<T> answer, const std::string& container) {
    if (!answer && answer.error().code() == Errc::kNotFound) return no_container(container);
    return answer;
}

Result<Json> put(core::Tree& tree, const request::DocumentPut& wanted) {
    RF_CHECK(
        found(tree.put_document(wanted.container, wanted.kind, wanted.body), wanted.container));
    log::info("a {} document was put", name_of(wanted.kind));
    return Json::object();
}

Result<Json> get(core::Tree& tree, const request::DocumentGet& wanted) {
    RF_TRY(auto body, found(tree.document(wanted.container, wanted.kind), wanted.container));
    if (!body) return no_document(wanted.container, wanted.kind);
    return Json{{"body", *std::move(body)}};
}

Result<Json> remove(core::Tree& tree, const request::DocumentDelete& wanted) {
    RF_TRY(const bool there,
           found(tree.delete_document(wanted.container, wanted.kind), wanted.container));
    if (!there) return no_document(wanted.container, wanted.kind);
    log::info("a {} document was deleted", name_of(wanted.kind));
    return Json::object();
}

}  // namespace

std::optional<Answer> answer_document(core::Tree& tree, const Request& request) {
    if (const auto* wanted = std::get_if<request::DocumentPut>(&request)) return put(tree, *wanted);
    if (const auto* wanted = std::get_if<request::DocumentGet>(&request)) return get(tree, *wanted);
    if (const auto* wanted = std::get_if<request::DocumentDelete>(&request))
        return remove(tree, *wanted);
    return std::nullopt;
}

}  // namespace reelfs::app
