// Tree: expiry. Names come under it, and leave it, in the transaction that gives them; what is due
// is taken away in batches by the expiry thread (expirer.h), or by whoever needs its name before.
#include <set>

#include "core/lifecycle_walk.h"
#include "core/tree_impl.h"
#include "reelfs/model/limits.h"
#include "reelfs/policy/lifecycle.h"

namespace reelfs::core {

using catalog::ExpiryRow;
using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

Result<Components> TreeImpl::path_of(Reader& r, NodeId directory) const {
    Components names;
    NodeId at = directory;
    while (true) {
        RF_TRY(NodeRow row, require(r, at));
        if (row.parent == kRootNode || at == kRootNode) break;  // a container's root
        RF_TRY(auto name, r.directory_name(at));
        if (!name) return Error(Errc::kNotFound, "the directory has been removed");
        names.push_back(*std::move(name));
        at = row.parent;
    }
    return Components(names.rbegin(), names.rend());
}

Result<void> TreeImpl::bind_expiry(Writer& w, NodeRow& row, NodeId folder, std::string_view name) {
    if (!row.attributes.is_file()) return done();
    const NodeId id = row.attributes.node;
    const auto rules = context_.documents.of(row.attributes.container)->lifecycle;
    row.attributes.expires.reset();
    std::optional<ExpiryRow> queued;
    if (rules != nullptr) {
        RF_TRY(Components path, path_of(w, folder));
        path.emplace_back(name);
        const std::string joined = policy::joined_path(path);
        const Timestamp now = context_.clock.now();
        // What has several names is nobody's to take away under one of them.
        if (row.attributes.links <= 1)
            row.attributes.expires = policy::transient_expiry(*rules, joined, now);
        const auto due = row.attributes.expires ? row.attributes.expires
                                                : policy::day_expiry(*rules, joined, now);
        if (due)
            queued = ExpiryRow{
                id, *due, now, row.attributes.expires.has_value(), folder, std::string(name)};
    }
    if (!queued) return expiry_alarm_.any() ? w.delete_expiry(id) : done();
    expiry_alarm_.set(queued->due);
    return w.put_expiry(*queued);
}

Result<void> TreeImpl::restart_age(NodeId id) {
    if (!expiry_alarm_.any()) return done();
    return transact(Effect::kFrees, [&](Writer& w, Changed& changed) -> Result<void> {
        RF_TRY(const auto queued, w.expiry(id));
        if (!queued) return done();
        RF_TRY(NodeRow row, require(w, id));
        if (!visible(row.attributes))
            return done();  // who has it open still does not bring it back
        RF_CHECK(bind_expiry(w, row, queued->parent, queued->name));
        RF_CHECK(w.update_node(row));
        changed.push_back(std::move(row));
        return done();
    });
}

Result<void> TreeImpl::clear_expired(Writer& w, Changed& changed, NodeId folder,
                                     std::string_view name, Unlinked& unlinked) {
    if (!expiry_alarm_.any()) return done();
    RF_TRY(auto id, w.entry(folder, name));
    if (!id) return done();
    RF_TRY(NodeRow row, require(w, *id));
    if (visible(row.attributes)) return done();
    RF_CHECK(w.delete_entry(folder, name));
    RF_CHECK(w.delete_expiry(*id));
    return drop_link(w, changed, std::move(row), Leaves::kRemoved, unlinked);
}

Result<void> TreeImpl::clear_expired_below(NodeId parent, std::string_view name) {
    if (!expiry_alarm_.any()) return done();
    const auto found = lookup(parent, name);
    if (!found || !found->is_directory()) return done();  // the caller's to tell
    const NodeId directory = found->node;
    for (bool more = true; more;) {
        std::vector<Unlinked> unlinked;
        const auto forget = [&](bool committed) {
            for (const Unlinked& one : unlinked) settle(one, committed);
            unlinked.clear();
        };
        auto cleared = transact(Effect::kFrees, [&](Writer& w, Changed& changed) -> Result<void> {
            forget(false);
            RF_TRY(auto entries,
                   w.entries_with_nodes_after(directory, "", limits::expiry_batch_rows));
            more = entries.size() == static_cast<std::size_t>(limits::expiry_batch_rows);
            for (auto& entry : entries) {
                if (visible(entry.node.attributes)) {
                    more = false;  // not empty, then
                    return done();
                }
                RF_CHECK(w.delete_entry(directory, entry.name));
                RF_CHECK(w.delete_expiry(entry.node.attributes.node));
                unlinked.emplace_back();
                RF_CHECK(drop_link(w, changed, std::move(entry.node), Leaves::kRemoved,
                                   unlinked.back()));
            }
            return done();
        });
        forget(cleared.ok());
        RF_CHECK(cleared);
    }
    return done();
}

/// Whether what stands in the queue goes now; otherwise it stands there as it should afterwards.
Result<bool> TreeImpl::goes_now(Writer& w, const ExpiryRow& queued, Timestamp now) {
    const auto stays = [&](std::optional<Timestamp> due) -> Result<bool> {
        ExpiryRow row = queued;
        if (due) row.due = *due;
        RF_CHECK(due ? w.put_expiry(row) : w.delete_expiry(row.node));
        return false;
    };
    RF_TRY(const auto id, w.entry(queued.parent, queued.name));
    if (id != queued.node) {
        // Removed, and still open; or not published yet; or a file that has other names, too.
        RF_TRY(const auto left, w.node(queued.node));
        if (left && left->attributes.links > 0) RF_CHECK(look_for_names(w, *left));
        return stays({});
    }
    RF_TRY(const NodeRow row, require(w, queued.node));
    std::optional<Timestamp> due = row.attributes.expires;
    if (!queued.transient) {
        const auto rules = context_.documents.of(row.attributes.container)->lifecycle;
        if (rules == nullptr) return stays({});
        RF_TRY(Components path, path_of(w, queued.parent));
        path.push_back(queued.name);
        due = policy::day_expiry(*rules, policy::joined_path(path), queued.since);
    }
    if (!due || *due > now) return stays(due);
    return true;
}

/// The queue knows one name of a file; by its other ones it is found again.
Result<void> TreeImpl::look_for_names(Writer& w, const NodeRow& row) {
    expiry_alarm_.ask_for_walk();
    return LifecycleWalk::mark(w, row.attributes.container);
}

Result<void> TreeImpl::put_off_expiry() {
    return transact(Effect::kFrees, [&](Writer& w, Changed&) -> Result<void> {
        const Timestamp now = context_.clock.now();
        RF_TRY(auto due, w.expiries_due(now, 1));
        if (due.empty()) return done();
        due.front().due.ns = now.ns + limits::expiry_put_off_ms * 1'000'000;
        return w.put_expiry(due.front());
    });
}

Result<TreeImpl::Expired> TreeImpl::expire_due(int rows_max) {
    struct Gone {
        NodeId folder;
        std::string name;
        bool cached;  // the kernel was told no time at which to ask again
    };
    Expired expired;
    std::vector<Gone> gone;
    std::vector<Unlinked> unlinked;
    std::vector<Folders> folders;
    const auto forget = [&](bool committed) {
        for (const Unlinked& one : unlinked) settle(one, committed);
        unlinked.clear();
        folders.clear();
        if (!committed) gone.clear();
    };
    auto result = transact(Effect::kFrees, [&](Writer& w, Changed& changed) -> Result<void> {
        forget(false);
        const Timestamp now = context_.clock.now();
        RF_TRY(const auto due, w.expiries_due(now, rows_max));
        std::set<NodeId> emptied;
        for (const ExpiryRow& queued : due) {
            RF_TRY(const bool goes, goes_now(w, queued, now));
            if (!goes) continue;
            RF_TRY(NodeRow row, require(w, queued.node));
            RF_CHECK(w.delete_entry(queued.parent, queued.name));
            RF_CHECK(w.delete_expiry(queued.node));
            if (row.attributes.links > 1) RF_CHECK(look_for_names(w, row));
            unlinked.emplace_back();
            RF_CHECK(drop_link(w, changed, std::move(row), Leaves::kRemoved, unlinked.back()));
            gone.push_back({queued.parent, queued.name, !queued.transient});
            emptied.insert(queued.parent);
        }
        for (NodeId id : emptied) {
            RF_TRY(NodeRow folder, require(w, id));
            folder.attributes.modified = folder.attributes.changed = now;
            RF_CHECK(w.update_node(folder));
            changed.push_back(folder);
            if (!folder.implicit_folder) continue;
            RF_TRY(const bool empty, is_empty(w, id));
            if (!empty) continue;
            RF_TRY(const auto container, w.container(folder.attributes.container));
            if (!container) return Error(Errc::kCorrupt, "a container has no row");
            RF_TRY(const Components path, path_of(w, id));
            folders.emplace_back();
            RF_CHECK(remove_empty_folders(w, changed, container->root, path, folders.back()));
        }
        expired.more = due.size() == static_cast<std::size_t>(rows_max);
        RF_TRY(expired.next, w.next_expiry());
        return done();
    });
    const std::vector<Folders> removed = folders;
    forget(result.ok());
    RF_CHECK(result);
    for (const Gone& one : gone) {
        watches_.changed(one.folder, one.name);
        if (!one.cached) continue;
        if (auto* listener = listener_.load()) listener->entry_changed(one.folder, one.name);
    }
    for (const Folders& one : removed) announce(one);
    return expired;
}

void TreeImpl::tell_names(const std::vector<ExpiryAlarm::Name>& names) {
    auto* listener = listener_.load();
    if (listener == nullptr) return;
    for (const auto& name : names) listener->entry_changed(name.folder, name.name);
}

}  // namespace reelfs::core
