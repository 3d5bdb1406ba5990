// Tree: containers. Each has its own key, drawn and durable in the keyring before the container is
// visible, and gone from it after the container is.
#include <bit>
#include <limits>

#include "core/endpoint_id.h"
#include "core/tree_impl.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::ContainerRow;
using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

Result<ContainerInfo> TreeImpl::info_of(Reader& r, const ContainerRow& row,
                                        std::string name) const {
    RF_TRY(const Usage used, r.usage(row.container));
    return ContainerInfo{row.container,
                         std::move(name),
                         row.root,
                         row.created,
                         std::uint32_t{1} << row.block_shift,
                         row.endpoint_id,
                         row.profile,
                         row.quota,
                         used};
}

Result<ContainerInfo> TreeImpl::create_container(const Caller& caller, std::string_view name,
                                                 const ContainerOptions& options) {
    RF_TRY(ContainerInfo info, add_container(caller, name, options));
    RF_CHECK(context_.catalog.sync());
    if (auto* listener = listener_.load()) listener->flush();
    return info;
}

Result<void> TreeImpl::delete_container(std::string_view name) {
    RF_CHECK(remove_container(name));
    if (auto* listener = listener_.load()) listener->flush();
    return done();
}

Result<ContainerInfo> TreeImpl::add_container(const Caller& caller, std::string_view name,
                                              const ContainerOptions& options) {
    RF_CHECK(context_.check_writable());
    RF_CHECK(check_container_name(name));
    if (!options.profile.empty() && options.profile != "mediastore")
        return Error(Errc::kInvalid, "the only profile is \"mediastore\"");
    ContainerRow container;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(auto taken, r.entry(kRootNode, name));
        if (taken) return Error(Errc::kExists, "a container of this name exists");
        RF_TRY(auto shift, r.setting("default_block_shift"));
        container.block_shift = shift ? static_cast<std::uint8_t>(std::stoi(*shift))
                                      : static_cast<std::uint8_t>(limits::block_shift_default);
        return done();
    }));
    if (options.block_bytes) {
        const std::uint32_t bytes = *options.block_bytes;
        if (!std::has_single_bit(bytes) || bytes < 1u << limits::block_shift_min ||
            bytes > 1u << limits::block_shift_max)
            return Error(Errc::kInvalid, "a block size is a power of two from 4 KiB to 1 MiB");
        container.block_shift = static_cast<std::uint8_t>(std::countr_zero(bytes));
    }
    RF_TRY(container.container, context_.container_ids.next());
    RF_TRY(container.root, context_.node_ids.next());
    container.created = context_.clock.now();
    container.endpoint_id = make_endpoint_id(context_.random);
    container.profile = options.profile;
    RF_CHECK(context_.keys.add_container(container.container));
    auto created = transact(
        Effect::kAdds,
        [&](Writer& w, Changed& changed) -> Result<void> {
            RF_TRY(NodeRow root, require_directory(w, kRootNode));
            NodeRow row =
                fresh_row(caller, container.root, root, NodeType::kDirectory, options.mode);
            row.attributes.container = container.container;
            RF_CHECK(insert_child(w, caller, root, row));
            RF_CHECK(w.insert_container(container));
            return add_entry(w, changed, root, name, row);
        },
        [&] { context_.containers.put(container, name); });
    if (!created) {
        if (auto removed = context_.keys.remove_container(container.container); !removed)
            return std::move(created).error().with(
                "and its key stays in the keyring until the next start");
        return std::move(created).error();
    }
    watches_.changed(kRootNode, name);
    if (auto* listener = listener_.load()) listener->entry_changed(kRootNode, name);
    return this->container(name);
}

Result<std::vector<ContainerInfo>> TreeImpl::containers() {
    std::vector<ContainerInfo> infos;
    std::string after;
    for (bool more = true; more;) {
        RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
            RF_TRY(auto entries,
                   r.entries_with_nodes_after(kRootNode, after, limits::catalog_step_rows_max));
            more = entries.size() == static_cast<std::size_t>(limits::catalog_step_rows_max);
            for (auto& entry : entries) {
                RF_TRY(auto row, r.container(entry.node.attributes.container));
                if (!row) return Error(Errc::kCorrupt, "a container has no row");
                after = entry.name;
                RF_TRY(ContainerInfo info, info_of(r, *row, std::move(entry.name)));
                infos.push_back(std::move(info));
            }
            return done();
        }));
    }
    return infos;
}

Result<ContainerInfo> TreeImpl::container(std::string_view name) {
    ContainerInfo info;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(auto id, r.entry(kRootNode, name));
        if (!id) return Error(Errc::kNotFound, "no container of this name");
        RF_TRY(NodeRow node, require(r, *id));
        RF_TRY(auto row, r.container(node.attributes.container));
        if (!row) return Error(Errc::kCorrupt, "a container has no row");
        RF_TRY(info, info_of(r, *row, std::string(name)));
        return done();
    }));
    return info;
}

Result<ContainerInfo> TreeImpl::set_quota(std::string_view name, const QuotaChange& change) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (const auto& limit : {change.bytes, change.objects})
        if (limit && limit->value_or(0) > kMax)
            return Error(Errc::kInvalid, "a quota is below 8 EiB; \"none\" is no limit");
    ContainerRow container;
    RF_CHECK(transact(
        Effect::kFrees,  // also at 100 %
        [&](Writer& w, Changed&) -> Result<void> {
            RF_TRY(NodeRow root, container_root(w, name));
            RF_TRY(auto row, w.container(root.attributes.container));
            if (!row) return Error(Errc::kCorrupt, "a container has no row");
            container = *row;
            if (change.bytes) container.quota.bytes = *change.bytes;
            if (change.objects) container.quota.objects = *change.objects;
            return w.set_quota(container.container, container.quota);
        },
        [&] {
            context_.containers.put(container, name);
            context_.quotas.set(container.container, container.quota);
        }));
    RF_CHECK(context_.catalog.sync());
    return this->container(name);
}

Result<void> TreeImpl::remove_container(std::string_view name) {
    RF_CHECK(clear_expired_below(kRootNode, name));
    ContainerId deleted;
    Attributes last;
    RF_CHECK(transact(
        Effect::kFrees,
        [&](Writer& w, Changed& changed) -> Result<void> {
            RF_TRY(NodeRow root, require_directory(w, kRootNode));
            RF_TRY(auto id, w.entry(kRootNode, name));
            if (!id) return Error(Errc::kNotFound, "no container of this name");
            RF_TRY(NodeRow row, require_directory(w, *id));
            RF_TRY(bool full, w.has_entries(*id));
            if (full) return Error(Errc::kNotEmpty, "the container is not empty");
            deleted = row.attributes.container;
            last = row.attributes;
            RF_CHECK(w.delete_entry(kRootNode, name));
            RF_CHECK(w.delete_node(*id));
            RF_CHECK(w.delete_container(deleted));
            --root.attributes.links;
            root.attributes.modified = root.attributes.changed = context_.clock.now();
            RF_CHECK(w.update_node(root));
            changed.push_back(root);
            return done();
        },
        [&] {
            context_.containers.remove(deleted);
            context_.documents.remove(deleted);
            context_.quotas.set(deleted, {});
        }));
    node_gone(last);
    watches_.changed(kRootNode, name);
    // The key goes only when no power cut can bring the container back.
    RF_CHECK(context_.catalog.sync());
    RF_CHECK(context_.keys.remove_container(deleted));
    context_.reader.forget_keys();
    if (auto* listener = listener_.load()) listener->entry_changed(kRootNode, name);
    return done();
}

}  // namespace reelfs::core
