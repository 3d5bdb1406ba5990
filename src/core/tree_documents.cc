// Tree: documents of containers. Checked before the transaction, published in it.
#include "core/lifecycle_walk.h"
#include "core/tree_impl.h"

namespace reelfs::core {

using catalog::Reader;
using catalog::Writer;

Result<void> TreeImpl::put_document(std::string_view container, DocumentKind kind,
                                    std::string_view body) {
    RF_CHECK(context_.check_writable());
    RF_TRY(const DocumentChange change, change_of(kind, std::string(body)));
    ContainerId id;
    RF_CHECK(transact(
        Effect::kAdds,
        [&](Writer& w, Changed&) -> Result<void> {
            RF_TRY(const auto root, container_root(w, container));
            id = root.attributes.container;
            RF_CHECK(context_.documents.check_room(id, change));
            // Day rules mean what is there already.
            if (kind == DocumentKind::kLifecycle) RF_CHECK(LifecycleWalk::mark(w, id));
            return w.put_document({id, std::string(name_of(kind)), std::string(body)});
        },
        [&] { context_.documents.publish(id, change); }));
    if (kind == DocumentKind::kLifecycle) expiry_alarm_.ask_for_walk();
    return context_.catalog.sync();
}

Result<std::optional<std::string>> TreeImpl::document(std::string_view container,
                                                      DocumentKind kind) {
    ContainerId id;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(const auto root, container_root(r, container));
        id = root.attributes.container;
        return done();
    }));
    const auto set = context_.documents.of(id);
    const auto found = set->bodies.find(kind);
    if (found == set->bodies.end()) return std::optional<std::string>();
    return std::optional(found->second);
}

Result<bool> TreeImpl::delete_document(std::string_view container, DocumentKind kind) {
    RF_CHECK(context_.check_writable());
    RF_TRY(const DocumentChange change, change_of(kind, std::nullopt));
    ContainerId id;
    bool there = true;
    RF_CHECK(transact(
        Effect::kFrees,
        [&](Writer& w, Changed&) -> Result<void> {
            RF_TRY(const auto root, container_root(w, container));
            id = root.attributes.container;
            auto deleted = w.delete_document(id, name_of(kind));
            there = deleted.ok();
            if (!there && deleted.error().code() == Errc::kNotFound) return done();
            return deleted;
        },
        [&] { context_.documents.publish(id, change); }));
    if (there) RF_CHECK(context_.catalog.sync());
    return there;
}

CorsDecision TreeImpl::decide_cors(std::string_view container, const CorsRequest& request) const {
    if (!context_.documents.any()) return {};
    const auto id = context_.containers.named(container);
    if (!id) return {};
    const auto set = context_.documents.of(*id);
    if (!set->cors) return {};
    return {.has_rules = true, .grant = policy::decide_cors(*set->cors, request)};
}

}  // namespace reelfs::core
