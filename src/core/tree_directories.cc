// Tree: listing. Offsets count entries; the name at an offset is remembered, so a listing goes on
// from a name and stays right while entries come and go. An entry that was there all the time is
// listed exactly once.
#include <algorithm>

#include "core/tree_impl.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::Reader;

namespace {
constexpr std::uint64_t kAfterDot = 1, kAfterDotDot = 2;
constexpr std::uint64_t kRecentPlaces = 4096;  // every place is kept for this many entries back,
constexpr std::uint64_t kPlaceStride = 256;    // beyond that one in so many
constexpr int kBatch = 64;

catalog::EntryRow plain_of(const std::string& name, const catalog::NodeRow& row) {
    return {name, row.attributes.node, row.attributes.type};
}
catalog::EntryWithNode full_of(const std::string& name, const catalog::NodeRow& row) {
    return {name, row};
}

/// Puts an upload's name among the entries read, in place of the version that it hides.
template <class Entry>
void place(std::vector<Entry>& entries, Entry shown) {
    auto at =
        std::lower_bound(entries.begin(), entries.end(), shown.name,
                         [](const Entry& e, const std::string& name) { return e.name < name; });
    if (at != entries.end() && at->name == shown.name)
        *at = std::move(shown);
    else
        entries.insert(at, std::move(shown));
}
}  // namespace

Result<std::shared_ptr<OpenDirectory>> TreeImpl::open_directory(NodeId id) {
    RF_TRY(const Attributes found, attributes(id));  // also of one that was removed: it is empty
    if (!found.is_directory()) return Error(Errc::kNotDirectory, "not a directory");
    return std::make_shared<OpenDirectory>(id);
}

Result<void> TreeImpl::list(OpenDirectory& directory, std::uint64_t offset, bool with_attributes,
                            const std::function<bool(const Listed&)>& take) {
    if (offset < kAfterDot &&
        !take({".", directory.node, NodeType::kDirectory, kAfterDot, nullptr}))
        return done();
    if (offset < kAfterDotDot) {
        auto parent = parent_of(directory.node);
        if (!parent)
            return parent.error().code() == Errc::kStale ? done()
                                                         : Result<void>(std::move(parent).error());
        if (!take({"..", *parent, NodeType::kDirectory, kAfterDotDot, nullptr})) return done();
        offset = kAfterDotDot;
    }

    // Where to go on: the nearest place remembered at or before `offset`, then skip forward.
    std::string after;
    std::uint64_t at = kAfterDotDot;
    {
        MutexLock lock(directory.mutex);
        auto place = directory.places.upper_bound(offset);
        if (place != directory.places.begin()) {
            --place;
            at = place->first;
            after = place->second;
        }
    }
    // What has expired and is still to be removed is known by its attributes only.
    const bool with_nodes = with_attributes || expiry_alarm_.any();
    while (true) {
        std::vector<catalog::EntryRow> plain;
        std::vector<catalog::EntryWithNode> full;
        bool ends = false;
        RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
            if (with_nodes) {
                RF_TRY(full, r.entries_with_nodes_after(directory.node, after, kBatch));
            } else {
                RF_TRY(plain, r.entries_after(directory.node, after, kBatch));
            }
            ends = (with_nodes ? full.size() : plain.size()) < kBatch;
            const std::string last = ends ? "" : with_nodes ? full.back().name : plain.back().name;
            for (const auto& shown : upload_names_.behind(directory.node, after)) {
                if (!ends && shown.name > last) break;
                RF_TRY(auto row, require(r, shown.node));
                if (with_nodes)
                    place(full, full_of(shown.name, row));
                else
                    place(plain, plain_of(shown.name, row));
            }
            return done();
        }));
        const std::size_t count = with_nodes ? full.size() : plain.size();
        for (std::size_t i = 0; i < count; ++i) {
            const std::string& name = with_nodes ? full[i].name : plain[i].name;
            const std::uint64_t next = at + 1;
            if (at >= offset) {
                Attributes attributes;
                Listed listed{name, {}, NodeType::kFile, next, nullptr};
                bool shown = true;
                if (with_nodes) {
                    shown = visible(full[i].node.attributes);
                    attributes = with_attributes ? live(full[i].node) : full[i].node.attributes;
                    listed.node = attributes.node;
                    listed.type = attributes.type;
                    if (with_attributes) listed.attributes = &attributes;
                } else {
                    listed.node = plain[i].node;
                    listed.type = plain[i].type;
                }
                if (shown && !take(listed)) return done();
            }
            at = next;
            after = name;
            MutexLock lock(directory.mutex);
            directory.places[at] = after;
            if (at > kRecentPlaces && (at - kRecentPlaces) % kPlaceStride != 0)
                directory.places.erase(at - kRecentPlaces);
        }
        if (ends) return done();
    }
}

}  // namespace reelfs::core
