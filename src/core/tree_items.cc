// Tree: items as the HTTP door lists and deletes them.
#include <algorithm>

#include "core/tree_impl.h"
#include "core/utf8.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

namespace {

std::string text_or_empty(const std::optional<std::vector<std::byte>>& value) {
    return value ? std::string(text_of(*value)) : std::string();
}

class DeletionImpl final : public Deletion {
  public:
    DeletionImpl(TreeImpl& tree, UploadOrder& order, const Clock& clock, ContainerId id,
                 std::string_view container, const Components& path, std::uint64_t ticket)
        : tree_(tree),
          order_(order),
          clock_(clock),
          container_(container),
          path_(path),
          place_(UploadOrder::folder_of(id, path)),
          ticket_(ticket) {
        order_.enter(place_, ticket_, false);
        order_.completed(place_, ticket_, clock_.monotonic_ns());
    }
    ~DeletionImpl() override { order_.leave(place_, ticket_); }

    Upload::Turn turn(std::function<void()> wake) override {
        return order_.turn(place_, ticket_, clock_.monotonic_ns(), std::move(wake));
    }
    Result<void> commit() override { return tree_.delete_object(container_, path_); }

  private:
    TreeImpl& tree_;
    UploadOrder& order_;
    const Clock& clock_;
    const std::string container_;
    const Components path_;
    const UploadOrder::Folder place_;
    const std::uint64_t ticket_;
};

}  // namespace

Result<std::unique_ptr<Deletion>> TreeImpl::begin_delete(std::string_view container,
                                                         const Components& path,
                                                         std::uint64_t ticket) {
    if (path.empty()) return Error(Errc::kNotFound, "no such object");
    ContainerId id;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(NodeRow root, container_root(r, container));
        id = root.attributes.container;
        return done();
    }));
    return std::unique_ptr<Deletion>(std::make_unique<DeletionImpl>(
        *this, upload_order_, context_.clock, id, container, path, ticket));
}

Result<std::optional<Item>> TreeImpl::item_of(Reader& r, const catalog::EntryWithNode& entry) {
    std::optional<Item> item;
    const NodeRow& row = entry.node;
    // What will expire within seconds is never listed; what has no bytes to GET neither.
    if (row.attributes.expires) return item;
    if (row.attributes.is_directory()) {
        RF_TRY(bool full, r.has_entries(row.attributes.node));
        if (full) item = Item{entry.name, true, {}, {}, {}, 0};
        return item;
    }
    if (!row.attributes.is_file()) return item;
    const Attributes now = live(row);
    item = Item{entry.name, false, row.etag, {}, now.modified, now.size};
    if (auto node = context_.nodes.find(row.attributes.node)) {
        MutexLock lock(node->mutex);
        if (node->growing) item->etag = ETag{};
    }
    if (row.has_xattrs) {
        RF_TRY(auto type, r.xattr(row.attributes.node, "user.mime_type"));
        item->mime_type = text_or_empty(type);
    }
    return item;
}

Result<ItemPage> TreeImpl::list_items(std::string_view container, const Components& folder,
                                      std::string_view after, std::size_t max) {
    std::optional<NodeId> at;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(NodeRow row, container_root(r, container));
        for (const std::string& name : folder) {
            RF_TRY(auto next, r.entry(row.attributes.node, name));
            if (!next) return done();
            RF_TRY(row, require(r, *next));
            if (!row.attributes.is_directory()) return done();
        }
        at = row.attributes.node;
        return done();
    }));
    ItemPage page;
    page.last = after;
    page.more = at.has_value() && max > 0;
    for (int looked = 0; page.more && page.items.size() < max && looked < limits::items_rows_max;) {
        RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
            const int step = static_cast<int>(std::min<std::size_t>(
                static_cast<std::size_t>(limits::catalog_step_rows_max), max - page.items.size()));
            RF_TRY(auto entries, r.entries_with_nodes_after(*at, page.last, step));
            page.more = entries.size() == static_cast<std::size_t>(step);
            looked += step;
            for (const auto& entry : entries) {
                page.last = entry.name;
                if (!is_utf8(entry.name)) {
                    ++page.unlistable;
                    continue;
                }
                RF_TRY(auto item, item_of(r, entry));
                if (item) page.items.push_back(*std::move(item));
            }
            return done();
        }));
    }
    return page;
}

Result<void> TreeImpl::delete_object(std::string_view container, const Components& path) {
    Unlinked unlinked;
    Folders folders;
    NodeId folder;
    const Error absent(Errc::kNotFound, "no such object");
    if (path.empty()) return absent;
    const auto above = std::span(path).first(path.size() - 1);
    auto deleted = transact(
        Effect::kFrees,
        [&](Writer& w, Changed& changed) -> Result<void> {
            settle(unlinked, false);
            unlinked = {};
            RF_TRY(NodeRow at, container_root(w, container));
            const NodeId root = at.attributes.node;
            for (const std::string& name : above) {
                RF_TRY(auto next, w.entry(at.attributes.node, name));
                if (!next) return absent;
                RF_TRY(at, require(w, *next));
                if (!at.attributes.is_directory()) return absent;
            }
            folder = at.attributes.node;
            RF_TRY(auto id, w.entry(folder, path.back()));
            if (id) {
                RF_TRY(NodeRow row, require(w, *id));
                const bool object =
                    row.attributes.is_file() || row.attributes.type == NodeType::kSymlink;
                if (!object || !visible(row.attributes)) return absent;
            }
            RF_CHECK(unlink_in(w, changed, folder, path.back(), unlinked));
            return remove_empty_folders(w, changed, root, above, folders);
        },
        [&] { hide_upload(folder, path.back()); });
    settle(unlinked, deleted.ok());
    if (!deleted) return deleted;
    watches_.changed(folder, path.back());
    RF_CHECK(context_.catalog.sync());
    if (auto* listener = listener_.load()) {
        listener->entry_changed(folder, path.back());
        announce(folders);
        listener->flush();
    } else {
        announce(folders);
    }
    return done();
}

}  // namespace reelfs::core
