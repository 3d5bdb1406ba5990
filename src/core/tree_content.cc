// Tree: open files. Open, create, read, write, flush, fsync, release, allocate, seek.
#include <sys/stat.h>

#include "core/tree_impl.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {
constexpr std::size_t kKeepReadsUpTo =
    64 * limits::KiB;  // larger reads are the kernel's read-ahead, which it caches itself
}

Result<std::shared_ptr<OpenFile>> TreeImpl::open(NodeId id, OpenFlags flags) {
    if (flags.write) RF_CHECK(context_.check_writable());
    RF_TRY(auto node, load(id));
    RF_CHECK(files_.ensure_map(*node));
    {
        MutexLock lock(node->mutex);
        // Another file may have its name by now: whoever came by that looks again.
        if (node->deleting) return Error(Errc::kStale, "the file has been removed");
        if (!visible(node->row.attributes)) return Error(Errc::kNotFound, "the file has expired");
        if (node->upload == Node::Upload::kAborted)
            return Error(Errc::kNotFound, "its upload failed");
        if (node->upload != Node::Upload::kNone && flags.write)
            return Error(Errc::kBusy, "it is being uploaded");
        switch (node->row.attributes.type) {
            case NodeType::kFile:
                break;
            case NodeType::kDirectory:
                return Error(Errc::kIsDirectory, "it is a directory");
            case NodeType::kSymlink:
                return Error(Errc::kLoop, "it is a symbolic link");
            default:
                return Error(Errc::kInvalid, "not a regular file");
        }
        ++node->handles;
        if (flags.write) ++node->writers;
    }
    open_files_.fetch_add(1, std::memory_order_relaxed);
    auto file = std::make_shared<OpenFile>(node, flags);
    if (flags.truncate && flags.write) {
        auto truncated = done();
        if (flags.drops_privileges)
            truncated = drop_privileges(node, [&](std::uint32_t) { return flags.by_group_member; });
        if (truncated) truncated = files_.truncate(node, 0);
        if (truncated) truncated = restart_age(id);
        if (!truncated) {
            release(file);
            return std::move(truncated).error();
        }
    }
    return file;
}

Result<Created> TreeImpl::create(const Caller& caller, NodeId parent, std::string_view name,
                                 std::uint32_t mode, OpenFlags flags) {
    std::shared_ptr<Node> node;
    RF_TRY(Attributes attributes,
           make(caller, parent, name, {NodeType::kFile, mode, 0}, {},
                [&](const std::shared_ptr<Node>& adopted) {
                    node = adopted;
                    MutexLock lock(node->mutex);
                    if (!node->map)
                        node->load_map(std::make_shared<FileMap>());  // nothing can be stored yet
                    ++node->handles;
                    if (flags.write) {
                        ++node->writers;
                        node->growing = true;
                    }
                }));
    open_files_.fetch_add(1, std::memory_order_relaxed);
    return Created{attributes, std::make_shared<OpenFile>(node, flags)};
}

Result<std::size_t> TreeImpl::read(OpenFile& file, std::uint64_t offset, MutableBytes out) {
    return files_.read(
        *file.node, offset, out,
        out.size() <= kKeepReadsUpTo ? content::Caching::kKeepAgain : content::Caching::kBypass);
}

Result<void> TreeImpl::write(const Caller& caller, OpenFile& file, std::uint64_t offset,
                             Bytes bytes) {
    if (!file.flags.write) return Error(Errc::kBadHandle, "not opened for writing");
    if (caller.drops_privileges) RF_CHECK(drop_privileges(file.node, caller));
    RF_CHECK(
        within_quota(file.node->container, [&] { return files_.write(file.node, offset, bytes); }));
    return file.flags.sync ? files_.fsync(file.node) : done();
}

Result<void> TreeImpl::flush(OpenFile& file) {
    if (!file.flags.write) return done();
    RF_CHECK(files_.drain(file.node));
    return files_.check_not_lost(file.node);
}

Result<void> TreeImpl::fsync(OpenFile& file) {
    RF_CHECK(files_.fsync(file.node));
    return done();
}

void TreeImpl::release(std::shared_ptr<OpenFile> file) {
    open_files_.fetch_sub(1, std::memory_order_relaxed);
    drop_handle(file->node, file->flags.write);
}

bool TreeImpl::becomes_orphan(Node& node) {
    if (--node.handles > 0) return false;
    node.failed.reset();
    if (node.row.attributes.links > 0 || node.deleting) return false;
    node.deleting = true;
    return true;
}

void TreeImpl::reap_later(NodeId node) {
    MutexLock lock(reapable_mutex_);
    reapable_.push_back(node);
}

void TreeImpl::drop_handle(const std::shared_ptr<Node>& node, bool writer) {
    bool last_writer = false;
    if (writer) {
        MutexLock lock(node->mutex);
        last_writer = node->writers == 1;
    }
    // What a writer left behind without closing properly is committed before the file counts as
    // finished.
    if (last_writer)
        if (auto drained = files_.drain(node); !drained)
            log::debug("file {}: {}", node->id.value(), drained.error().message());
    std::vector<std::shared_ptr<Watcher>> woken;
    bool ended = false, orphan = false;
    {
        MutexLock lock(node->mutex);
        if (writer && --node->writers == 0) {
            node->growing = false;
            ended = true;
        }
        orphan = becomes_orphan(*node);
        woken = node->take_woken();
    }
    if (ended) files_.end_writing(*node);
    wake_all(woken);
    if (ended) watches_.settled(node->id);
    if (!orphan) return;
    if (auto reaped = reap(node->id); !reaped) {
        log::warning("a removed file's room is not back yet: {}", reaped.error().message());
        reap_later(node->id);
    }
}

void TreeImpl::drop_reader(const std::shared_ptr<Node>& node, bool follower) {
    bool orphan = false;
    {
        MutexLock lock(node->mutex);
        if (follower) --node->followers;
        orphan = becomes_orphan(*node);
    }
    if (orphan) reap_later(node->id);
}

Result<void> TreeImpl::drop_privileges(const std::shared_ptr<Node>& node, const Caller& caller) {
    return drop_privileges(node, [&](std::uint32_t group) { return caller.belongs_to(group); });
}

Result<void> TreeImpl::drop_privileges(const std::shared_ptr<Node>& node,
                                       const std::function<bool(std::uint32_t group)>& is_member) {
    std::uint32_t mode = 0, group = 0;
    {
        MutexLock lock(node->mutex);
        mode = node->row.attributes.mode;
        group = node->row.attributes.gid;
    }
    if (without_privileges(mode, false) == mode) return done();
    const bool by_member = is_member(group);
    if (without_privileges(mode, by_member) == mode) return done();
    return transact(Effect::kAdds, [&](catalog::Writer& w, Changed& changed) -> Result<void> {
        RF_TRY(auto row, require(w, node->id));
        row.attributes.mode = without_privileges(row.attributes.mode, by_member);
        row.attributes.changed = context_.clock.now();
        RF_CHECK(w.update_node(row));
        changed.push_back(row);
        return done();
    });
}

Result<void> TreeImpl::touch(const std::shared_ptr<Node>& node) {
    return transact(
        Effect::kAdds,
        [&](catalog::Writer& w, Changed& changed) -> Result<void> {
            RF_TRY(auto row, require(w, node->id));
            row.attributes.modified = row.attributes.changed = context_.clock.now();
            RF_CHECK(w.update_node(row));
            changed.push_back(row);
            return done();
        },
        [&] {
            MutexLock lock(node->mutex);
            if (node->written_at) node->written_at = node->row.attributes.modified;
        });
}

Result<void> TreeImpl::allocate(const Caller& caller, OpenFile& file, AllocateMode mode,
                                std::uint64_t offset, std::uint64_t length) {
    if (!file.flags.write) return Error(Errc::kBadHandle, "not opened for writing");
    if (length == 0) return Error(Errc::kInvalid, "nothing to allocate");
    if (offset + length < offset || offset + length > limits::file_bytes_max)
        return Error(Errc::kTooBig, "beyond the largest offset a file may have");
    const auto size_now = [&] {
        MutexLock lock(file.node->mutex);
        return file.node->size;
    };
    const auto extend = [&]() -> Result<void> {
        return offset + length > size_now() ? files_.truncate(file.node, offset + length)
                                            : touch(file.node);
    };
    RF_CHECK(context_.check_writable());
    if (caller.drops_privileges) RF_CHECK(drop_privileges(file.node, caller));
    // Nothing is set aside for it: whether there is room now is all it says.
    const auto check_room = [&]() -> Result<void> {
        RF_CHECK(context_.space.check_room(length));
        if (!context_.quotas.find(file.node->container)) return done();
        std::uint64_t missing = 0;
        {
            MutexLock lock(file.node->mutex);
            missing = file.node->unheld(offset, length);
        }
        return within_quota(file.node->container,
                            [&] { return context_.quotas.check(file.node->container, missing); });
    };
    switch (mode) {
        case AllocateMode::kAllocate:
            RF_CHECK(check_room());
            return extend();
        case AllocateMode::kKeepSize:
            RF_CHECK(check_room());
            return touch(file.node);
        case AllocateMode::kPunchHole:
        case AllocateMode::kZeroRangeKeepSize:
            return files_.punch(file.node, offset, length);
        case AllocateMode::kZeroRange:
            RF_CHECK(files_.punch(file.node, offset, length));
            return extend();
    }
    return Error(Errc::kInvalid, "unknown kind of allocation");
}

Result<std::uint64_t> TreeImpl::seek(OpenFile& file, SeekTo what, std::uint64_t offset) {
    RF_CHECK(files_.ensure_map(*file.node));
    Node& node = *file.node;
    MutexLock lock(node.mutex);
    if (offset >= node.size) return Error(Errc::kNoData, "beyond the end");
    // A byte is data when any layer has it.
    std::uint64_t at = offset;
    while (true) {
        const std::uint64_t start = at;
        if (what == SeekTo::kData) {
            std::uint64_t next =
                std::min(node.map->next_data(at, node.size), node.runs.next_dirty(at, node.size));
            for (const auto& batch : node.batches)
                for (const auto& run : batch->runs)
                    if (run.end() > at) next = std::min(next, std::max(at, run.offset));
            if (next >= node.size) return Error(Errc::kNoData, "no data behind");
            return next;
        }
        at = node.map->next_hole(at, node.size);
        at = node.runs.next_clean(at, node.size);
        for (const auto& batch : node.batches)
            for (const auto& run : batch->runs)
                if (run.offset <= at && run.end() > at) at = std::min(run.end(), node.size);
        if (at == start || at >= node.size) return at;
    }
}

Result<std::uint64_t> TreeImpl::copy_range(const Caller& caller, OpenFile& source,
                                           std::uint64_t source_offset, OpenFile& target,
                                           std::uint64_t target_offset, std::uint64_t length) {
    if (!source.flags.read || !target.flags.write)
        return Error(Errc::kBadHandle, "not opened for reading, or not for writing");
    if (source.node->container != target.node->container)
        return Error(Errc::kCrossDevice, "containers do not share content: their keys differ");
    if (target_offset >= limits::file_bytes_max)
        return Error(Errc::kTooBig, "beyond the largest offset a file may have");
    {
        MutexLock lock(source.node->mutex);
        const std::uint64_t size = source.node->size;
        length = std::min(
            {length, size - std::min(size, source_offset), limits::file_bytes_max - target_offset});
    }
    if (source.node == target.node && source_offset < target_offset + length &&
        target_offset < source_offset + length)
        return Error(Errc::kInvalid, "the ranges overlap");
    if (length == 0) return 0;
    RF_CHECK(context_.check_writable());
    if (caller.drops_privileges) RF_CHECK(drop_privileges(target.node, caller));
    std::uint64_t copied = length;
    if (length < std::uint64_t{1} << context_.block_shift(target.node->container)) {
        // A piece of a block keeps all of it alive, and its rows cost as much as its bytes.
        Buffer bytes(static_cast<std::size_t>(length));
        RF_TRY(copied, files_.read(*source.node, source_offset, bytes.span(),
                                   content::Caching::kKeepAgain));
        RF_CHECK(within_quota(target.node->container, [&] {
            return files_.write(target.node, target_offset, bytes.span().first(copied));
        }));
    } else {
        RF_TRY(copied, within_quota(target.node->container, [&] {
                   return files_.share(source.node, source_offset, target.node, target_offset,
                                       length);
               }));
    }
    if (target.flags.sync) RF_CHECK(files_.fsync(target.node));
    return copied;
}

Result<Space> TreeImpl::space(NodeId at) {
    RF_TRY(store::StoreSpace store, context_.store.space());
    catalog::Reader::Counts counts;
    std::optional<Quota> quota;
    Usage used;
    std::uint64_t reserved = 0;
    RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(counts, r.counts());
        if (at == kRootNode) return done();
        RF_TRY(auto row, r.node(at));
        if (!row) return done();  // of a file that has just gone
        const ContainerId container = row->attributes.container;
        quota = context_.quotas.find(container);
        if (!quota) return done();
        reserved = context_.quotas.reserved(container);
        RF_TRY(used, r.usage(container));
        return done();
    }));
    Space space{store.total_bytes, store.free_bytes, counts.nodes, {}};
    if (!quota) return space;
    const auto left = [](std::uint64_t limit, std::uint64_t spent) {
        return limit - std::min(limit, spent);
    };
    if (quota->bytes) {
        space.total_bytes = *quota->bytes;
        space.free_bytes = std::min(store.free_bytes, left(*quota->bytes, used.bytes + reserved));
    }
    if (quota->objects) {
        space.nodes = used.objects;
        space.free_nodes = left(*quota->objects, used.objects);
    }
    return space;
}

Result<void> TreeImpl::sync_metadata() {
    return context_.catalog.sync();
}

Result<void> TreeImpl::sync() {
    files_.drain_all();
    RF_CHECK(context_.packs.sync_all());
    RF_CHECK(context_.packs.check_nothing_lost());
    return context_.catalog.sync();
}

std::vector<Tree::Gauge> TreeImpl::gauges() const {
    const auto cache = context_.cache.stats();
    const auto catalog = context_.catalog.stats();
    const auto kernel = known_.counts();
    const auto number = [](auto value) { return static_cast<double>(value); };
    return {
        {"reelfs_open_files", "Files held open by any door.",
         number(open_files_.load(std::memory_order_relaxed)), false},
        {"reelfs_nodes_in_memory", "Nodes kept in memory.", number(context_.nodes.size()), false},
        {"reelfs_kernel_nodes", "Nodes that the mount's kernel knows.", number(kernel.known),
         false},
        {"reelfs_replaced_nodes", "Replaced files that are kept until the kernel forgets them.",
         number(kernel.kept), false},
        {"reelfs_map_slices_in_memory", "Slices of the maps of nodes in memory.",
         number(context_.nodes.slices()), false},
        {"reelfs_dirty_bytes", "Written bytes not yet sealed and committed.",
         number(context_.budget.used()), false},
        {"reelfs_block_cache_bytes", "Opened blocks in memory.", number(cache.bytes), false},
        {"reelfs_block_cache_hits_total", "Blocks found in memory.", number(cache.hits), true},
        {"reelfs_block_cache_misses_total", "Blocks not found in memory.", number(cache.misses),
         true},
        {"reelfs_catalog_transactions_total", "Catalog transactions committed.",
         number(catalog.transactions), true},
        {"reelfs_catalog_syncs_total", "Syncs of the catalog's log.", number(catalog.syncs), true},
        {"reelfs_catalog_checkpoints_total", "Checkpoints of the catalog's log.",
         number(catalog.checkpoints), true},
        {"reelfs_catalog_checkpoint_seconds_last", "Duration of the last checkpoint.",
         number(catalog.checkpoint_ns_last) / 1e9, false},
        {"reelfs_catalog_log_bytes", "Log written since the last checkpoint.",
         number(catalog.log_bytes), false},
    };
}

}  // namespace reelfs::core
