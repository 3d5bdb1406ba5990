#include "core/documents.h"

#include <fmt/format.h>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

template <class Rules>
Result<DocumentChange> change(DocumentKind kind, const std::optional<std::string>& body,
                              std::shared_ptr<const Rules> DocumentSet::*member,
                              Result<Rules> (*parse)(std::string_view)) {
    if (!body)
        return DocumentChange([kind, member](DocumentSet& set) {
            set.bodies.erase(kind);
            set.*member = nullptr;
        });
    RF_TRY(Rules rules, parse(*body));
    return DocumentChange(
        [kind, body, member,
         parsed = std::make_shared<const Rules>(std::move(rules))](DocumentSet& set) {
            set.bodies[kind] = *body;
            set.*member = parsed;
        });
}

}  // namespace

std::size_t DocumentSet::bytes() const {
    std::size_t sum = 0;
    for (const auto& body : bodies) sum += body.second.size();
    return sum;
}

Result<DocumentChange> change_of(DocumentKind kind, const std::optional<std::string>& body) {
    if (body && body->size() > limits::document_bytes_max)
        return Error(Errc::kInvalid, fmt::format("a document has at most {} characters",
                                                 limits::document_bytes_max));
    switch (kind) {
        case DocumentKind::kCors:
            return change(kind, body, &DocumentSet::cors, policy::parse_cors);
        case DocumentKind::kDelivery:
            return change(kind, body, &DocumentSet::delivery, policy::parse_delivery);
        case DocumentKind::kLifecycle:
            return change(kind, body, &DocumentSet::lifecycle, policy::parse_lifecycle);
    }
    return Error(Errc::kInvalid, "no kind of document");
}

Result<void> Documents::load(catalog::Catalog& catalog) {
    catalog::DocumentRow last{kNoContainer, "", ""};
    for (bool more = true; more;) {
        std::vector<catalog::DocumentRow> rows;
        RF_CHECK(catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(rows,
                   r.documents_after(last.container, last.kind, limits::catalog_step_rows_max));
            return done();
        }));
        more = !rows.empty();
        for (catalog::DocumentRow& row : rows) {
            // Kinds and texts of a later version stay in the catalog, and say nothing here.
            const auto kind = document_kind_named(row.kind);
            if (auto change = kind ? change_of(*kind, row.body)
                                   : Error(Errc::kInvalid, "no kind of document known here"))
                publish(row.container, *change);
            else
                log::error("the {} document of container {} is not in force: {}", row.kind,
                           row.container.value(), change.error().message());
            last = std::move(row);
        }
    }
    return done();
}

std::shared_ptr<const DocumentSet> Documents::of(ContainerId container) const {
    ReadLock lock(mutex_);
    const auto found = sets_.find(container);
    return found == sets_.end() ? none_ : found->second;
}

Result<void> Documents::check_room(ContainerId container, const DocumentChange& change) const {
    const auto before = of(container);
    DocumentSet after = *before;
    change(after);
    ReadLock lock(mutex_);
    if (bytes_ - before->bytes() + after.bytes() <= limits::documents_bytes_max) return done();
    return Error(Errc::kQuota,
                 fmt::format("all documents of all containers have at most {} bytes together; "
                             "delete those that are no longer needed",
                             limits::documents_bytes_max));
}

void Documents::publish(ContainerId container, const DocumentChange& change) {
    const auto before = of(container);
    auto after = std::make_shared<DocumentSet>(*before);
    change(*after);
    WriteLock lock(mutex_);
    bytes_ += after->bytes() - before->bytes();
    if (after->bodies.empty())
        sets_.erase(container);
    else
        sets_[container] = std::move(after);
    any_ = !sets_.empty();
}

void Documents::remove(ContainerId container) {
    WriteLock lock(mutex_);
    const auto found = sets_.find(container);
    if (found == sets_.end()) return;
    bytes_ -= found->second->bytes();
    sets_.erase(found);
    any_ = !sets_.empty();
}

}  // namespace reelfs::core
