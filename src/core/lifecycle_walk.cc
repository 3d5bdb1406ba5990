#include "core/lifecycle_walk.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::ExpiryRow;
using catalog::Reader;
using catalog::Writer;

namespace {
constexpr int kEntriesPerStep = 64;

std::string mark_name(ContainerId container) {
    return fmt::format("lifecycle-walk/{}", container.value());
}
}  // namespace

LifecycleWalk::LifecycleWalk(ContainerId container, NodeId root, std::string mark)
    : container_(container), mark_(std::move(mark)), folders_{{root, ""}} {}

Result<void> LifecycleWalk::mark(Writer& w, ContainerId container) {
    RF_TRY(const auto mark, w.setting(mark_name(container)));
    std::uint64_t count = 0;
    if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), count);
    return w.set_setting(mark_name(container), std::to_string(count + 1));
}

Result<std::optional<LifecycleWalk>> LifecycleWalk::pending(Context& context) {
    std::optional<LifecycleWalk> found;
    RF_CHECK(context.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(auto containers, r.containers());
        for (const auto& container : containers) {
            RF_TRY(auto mark, r.setting(mark_name(container.container)));
            if (!mark || mark->empty()) continue;
            found = LifecycleWalk(container.container, container.root, *std::move(mark));
            break;
        }
        return done();
    }));
    return found;
}

Result<bool> LifecycleWalk::step(Context& context, ExpiryAlarm& alarm) {
    const auto rules = context.documents.of(container_)->lifecycle;
    if (rules == nullptr || !policy::has_day_rules(*rules) || folders_.empty()) {
        RF_CHECK(finish(context));
        return false;
    }
    const NodeId here = folders_.back().node;
    struct Meant {
        ExpiryRow row;
        std::string path;
    };
    std::vector<Meant> meant;
    std::optional<std::pair<NodeId, std::string>> below;
    bool ends = false;
    RF_CHECK(context.catalog.read([&](Reader& r) -> Result<void> {
        std::string& after = folders_.back().after;
        RF_TRY(auto entries, r.entries_with_nodes_after(here, after, kEntriesPerStep));
        ends = entries.size() < kEntriesPerStep;
        for (const auto& entry : entries) {
            after = entry.name;
            const Attributes& file = entry.node.attributes;
            if (file.is_directory()) {
                below.emplace(file.node, entry.name);
                return done();
            }
            if (!file.is_file() || file.expires) continue;
            path_.push_back(entry.name);
            std::string path = policy::joined_path(path_);
            path_.pop_back();
            const auto due = policy::day_expiry(*rules, path, file.created);
            if (due)
                meant.push_back(
                    {{file.node, *due, file.created, false, here, entry.name}, std::move(path)});
        }
        return done();
    }));
    if (!meant.empty()) {
        RF_CHECK(context.catalog.write([&](Writer& w) -> Result<void> {
            for (auto& [row, path] : meant) {
                // Renamed meanwhile: then it was queued as what it is now.
                RF_TRY(auto node, w.entry(row.parent, row.name));
                if (node != row.node) continue;
                RF_TRY(const auto queued, w.expiry(row.node));
                if (queued && queued->transient) continue;
                if (queued) {  // under the rules before; its age goes on
                    row.since = queued->since;
                    row.due = policy::day_expiry(*rules, path, row.since).value_or(queued->due);
                }
                RF_CHECK(w.put_expiry(row));
                alarm.set(row.due);
            }
            return done();
        }));
        context.bound_log();
    }
    if (below) {
        folders_.push_back({below->first, ""});
        path_.push_back(std::move(below->second));
    } else if (ends) {
        folders_.pop_back();
        if (!path_.empty()) path_.pop_back();
    }
    return true;
}

Result<void> LifecycleWalk::finish(Context& context) {
    return context.catalog.write([&](Writer& w) -> Result<void> {
        RF_TRY(auto mark, w.setting(mark_name(container_)));
        if (mark == mark_) RF_CHECK(w.set_setting(mark_name(container_), ""));
        return done();
    });
}

}  // namespace reelfs::core
