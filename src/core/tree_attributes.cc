// Tree: attributes. stat, chmod, chown, utimens, truncate by path.
#include "core/tree_impl.h"

namespace reelfs::core {

using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

Result<Attributes> TreeImpl::attributes(NodeId id) {
    if (auto node = context_.nodes.find(id)) {
        MutexLock lock(node->mutex);
        // Who has it open goes on with it after it has expired, as after it was unlinked.
        if (!node->deleting && (node->handles > 0 || visible(node->row.attributes)))
            return node->live();
    }
    NodeRow row;
    auto read = context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(row, require(r, id));
        return done();
    });
    if (!read && read.error().code() == Errc::kStale)
        if (auto last = known_.removed(id)) return *last;
    RF_CHECK(read);
    if (!visible(row.attributes)) return Error(Errc::kNotFound, "no such entry");
    return live(row);
}

Result<Attributes> TreeImpl::change(const Caller& caller, NodeId id,
                                    const AttributeChange& change) {
    if (change.size) {
        RF_TRY(auto node, load(id));
        {
            MutexLock lock(node->mutex);
            if (node->row.attributes.is_directory())
                return Error(Errc::kIsDirectory, "a directory has no length to set");
            if (!node->row.attributes.is_file()) return Error(Errc::kInvalid, "not a regular file");
            if (node->upload != Node::Upload::kNone)
                return Error(Errc::kBusy, "it is being uploaded");
        }
        if (caller.drops_privileges) RF_CHECK(drop_privileges(node, caller));
        RF_CHECK(files_.truncate(node, *change.size));
        if (*change.size == 0) RF_CHECK(restart_age(id));
    }
    const bool others = change.mode || change.uid || change.gid || change.accessed ||
                        change.modified || change.accessed_now || change.modified_now;
    NodeRow row;
    if (others || !change.size) {
        const Timestamp now = context_.clock.now();
        const bool sets_modified = change.modified || change.modified_now;
        RF_CHECK(transact(
            Effect::kAdds,
            [&](Writer& w, Changed& changed) -> Result<void> {
                RF_TRY(row, require(w, id));
                Attributes& a = row.attributes;
                const std::uint32_t group_before = a.gid;
                if (change.mode) {
                    RF_CHECK(set_mode(w, row, *change.mode & 07777));
                    row.implicit_folder = false;
                }
                if (change.uid) a.uid = *change.uid;
                if (change.gid) a.gid = *change.gid;
                if ((change.uid || change.gid) && !change.mode && !a.is_directory()) {
                    // A new owner does not inherit the right to become somebody (chown(2)).
                    const bool keeps_group = caller.uid == 0 || caller.belongs_to(group_before);
                    a.mode = without_privileges(a.mode, keeps_group);
                }
                if (change.accessed_now) a.accessed = now;
                if (change.accessed) a.accessed = *change.accessed;
                if (change.modified_now) a.modified = now;
                if (change.modified) a.modified = *change.modified;
                a.changed = now;
                RF_CHECK(w.update_node(row));
                changed.push_back(row);
                return done();
            },
            [&] {
                // What was written before is older than the time now set by hand; its commit keeps
                // that time.
                if (auto node = context_.nodes.find(id); node && sets_modified) {
                    MutexLock lock(node->mutex);
                    node->written_at.reset();
                }
            }));
        return live(row);
    }
    return attributes(id);
}

}  // namespace reelfs::core
