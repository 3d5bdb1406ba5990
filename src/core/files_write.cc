// Files: from written bytes to committed extents.
#include <algorithm>
#include <set>

#include "core/files.h"
#include "reelfs/base/log.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

std::uint64_t round_to_512(std::uint64_t bytes) {
    return (bytes + 511) / 512 * 512;
}

}  // namespace

Files::Files(Context& context) : context_(context), pool_(2) {}
Files::~Files() = default;

std::size_t Files::run_bytes_max() const {
    std::size_t dirty_files = 0;
    {
        MutexLock lock(const_cast<Mutex&>(dirty_mutex_));
        dirty_files = dirty_.size();
    }
    // Two runs a writer: one being filled while one is sealed. A multiple of 1 MiB keeps blocks
    // aligned with the file.
    const std::size_t share = static_cast<std::size_t>(context_.budget.bytes_max()) /
                              (2 * std::max<std::size_t>(dirty_files, 1));
    return std::clamp(share / limits::MiB * limits::MiB, limits::MiB, limits::extent_bytes_max);
}

void Files::mark_dirty(const std::shared_ptr<Node>& node) {
    MutexLock lock(dirty_mutex_);
    dirty_.insert(node);
}

Result<void> Files::write(const std::shared_ptr<Node>& node, std::uint64_t offset, Bytes bytes) {
    if (bytes.empty()) return done();
    if (offset + bytes.size() > limits::file_bytes_max || offset + bytes.size() < offset)
        return Error(Errc::kTooBig, "beyond the largest offset a file may have");
    RF_CHECK(context_.check_writable());
    RF_CHECK(context_.space.check_room(bytes.size()));
    std::uint64_t reserved = 0;
    if (context_.quotas.find(node->container)) {
        {
            MutexLock lock(node->mutex);
            reserved = node->unheld(offset, bytes.size());
        }
        RF_CHECK(context_.quotas.reserve(node->container, reserved));
    }
    context_.budget.take(bytes.size(), [this] { freeze_all(); });
    const std::size_t run_max = run_bytes_max();

    std::vector<std::shared_ptr<Watcher>> woken;
    std::shared_ptr<Batch> full;
    std::uint64_t unused = 0;
    {
        MutexLock lock(node->mutex);
        if (node->failed || node->deleting) {
            Error error = node->failed ? *node->failed : Error(Errc::kStale, "the file is gone");
            lock.unlock();
            context_.budget.give_back(bytes.size());
            context_.quotas.give_back(node->container, reserved);
            return error;
        }
        if (offset != node->size) node->end_growth_by_change();
        if (node->runs.empty() && node->batches.empty()) mark_dirty(node);
        const std::uint64_t before = node->runs.bytes();
        node->runs.write(offset, bytes, run_max);
        node->reserved += reserved;
        unused = bytes.size() - (node->runs.bytes() - before);
        node->size = std::max(node->size, offset + bytes.size());
        node->written_at = context_.clock.now();
        if (node->runs.bytes() >= run_max && !node->editing) full = freeze(*node);
        woken = node->take_woken();
    }
    if (unused > 0) context_.budget.give_back(unused);
    wake_all(woken);
    if (full) enqueue(node, full);
    return done();
}

std::shared_ptr<Batch> Files::freeze(Node& node) {
    auto batch = std::make_shared<Batch>();
    batch->base_size = node.row.attributes.size;
    for (const auto& earlier : node.batches)
        batch->base_size = std::max(batch->base_size, earlier->end);
    batch->dirty_bytes = node.runs.bytes();
    batch->runs = node.runs.take_all();
    batch->reserved = std::exchange(node.reserved, 0);
    for (const auto& run : batch->runs) batch->end = std::max(batch->end, run.end());
    node.batches.push_back(batch);
    return batch;
}

void Files::enqueue(const std::shared_ptr<Node>& node, const std::shared_ptr<Batch>& batch) {
    pool_.run([this, node, batch] { process(node, batch); });
}

void Files::process(const std::shared_ptr<Node>& node, const std::shared_ptr<Batch>& batch) {
    auto placed = seal_and_place(*node, *batch);
    {
        MutexLock lock(node->mutex);
        if (!placed) batch->error = std::move(placed).error();
        batch->placed = true;
    }
    commit_placed(node);
}

/// Widens runs that overwrite old bytes to whole blocks of the file, and short appends after inline
/// extents to all of those: small pieces would otherwise gather without bound.
Result<void> Files::fill_edges(Node& node, Batch& batch) {
    std::shared_ptr<const FileMap> map;
    std::uint64_t inline_total = 0;
    {
        MutexLock lock(node.mutex);
        map = node.map;
        inline_total = map->inline_bytes();
    }
    const std::uint64_t block = std::uint64_t{1} << context_.block_shift(node.container);
    for (std::size_t i = 0; i < batch.runs.size(); ++i) {
        content::DirtyRun& run = batch.runs[i];
        const std::uint64_t floor = i == 0 ? 0 : batch.runs[i - 1].end();
        const std::uint64_t ceiling =
            i + 1 < batch.runs.size() ? batch.runs[i + 1].offset : UINT64_MAX;
        std::uint64_t from = run.offset, to = run.end();
        if (run.offset < batch.base_size) {
            from = std::max(floor, run.offset / block * block);
            to = std::min({ceiling, (run.end() + block - 1) / block * block,
                           std::max(batch.base_size, run.end())});
        }
        if (inline_total + run.length > limits::inline_file_bytes_max &&
            run.length < limits::inline_file_bytes_max) {
            const std::uint64_t lowest =
                std::max(floor, from > 2 * limits::inline_file_bytes_max
                                    ? from - 2 * limits::inline_file_bytes_max
                                    : 0);
            auto pieces = map->pieces(lowest, from - lowest);
            for (auto it = pieces.rbegin();
                 it != pieces.rend() && it->extent && !it->extent->location.pack; ++it)
                from = it->file_offset;
        }
        if (to - from > limits::extent_bytes_max || (from == run.offset && to == run.end()))
            continue;
        content::DirtyRun wide;
        wide.offset = from;
        wide.length = static_cast<std::size_t>(to - from);
        wide.buffer = Buffer(wide.length);
        const auto before = static_cast<std::size_t>(run.offset - from);
        const auto after = static_cast<std::size_t>(to - run.end());
        RF_CHECK(read_below(node, batch, from, wide.buffer.span().first(before)));
        RF_CHECK(
            read_below(node, batch, run.end(), wide.buffer.span().subspan(wide.length - after)));
        std::memcpy(wide.buffer.data() + before, run.buffer.data(), run.length);
        // Readers look at `runs` too: exchange it under the lock.
        MutexLock lock(node.mutex);
        run = std::move(wide);
    }
    return done();
}

Result<Packs::Put> Files::place(Node& node, const Buffer& sealed) {
    static const std::array<std::byte, limits::pack_alignment> kZeros{};
    const std::size_t padding =
        (limits::pack_alignment - sealed.size() % limits::pack_alignment) % limits::pack_alignment;
    const std::array<Bytes, 2> pieces{sealed.span(), Bytes(kZeros).first(padding)};
    while (true) {
        std::optional<PackId> own;
        bool wants_own = false;
        {
            MutexLock lock(node.mutex);
            own = node.own_pack;
            wants_own = !own && node.placed_bytes + sealed.size() >= limits::own_pack_from_bytes &&
                        node.writers > 0;
        }
        if (wants_own) {
            RF_TRY(PackId fresh, context_.packs.own_pack(node.container));
            MutexLock lock(node.mutex);
            if (!node.own_pack && node.writers > 0) {
                node.own_pack = fresh;
            } else {
                lock.unlock();
                // Another batch of this file was faster; or it is being sealed again, and its last
                // writer, who would finish the pack, has gone.
                context_.packs.finish(fresh);
                lock.lock();
            }
            own = node.own_pack;
        }
        PackId pack;
        if (own) {
            pack = *own;
        } else {
            RF_TRY(pack, context_.packs.shared_pack(node.container));
        }
        auto put = context_.packs.put(pack, pieces);
        if (!put && put.error().code() == Errc::kBusy) {  // finished meanwhile
            MutexLock lock(node.mutex);
            if (node.own_pack == pack) node.own_pack.reset();
            continue;
        }
        if (put) {
            MutexLock lock(node.mutex);
            node.placed_bytes += put->location.length;
        }
        return put;
    }
}

Result<void> Files::seal_and_place(Node& node, Batch& batch) {
    RF_CHECK(fill_edges(node, batch));
    RF_TRY(auto key, context_.keys.newest_key(node.container));
    const std::uint8_t block_shift = context_.block_shift(node.container);
    std::uint64_t inline_total = 0;
    {
        MutexLock lock(node.mutex);
        inline_total = node.map->inline_bytes();
    }
    for (const content::DirtyRun& run : batch.runs) {
        for (std::uint64_t done_bytes = 0; done_bytes < run.length;) {
            const auto length = static_cast<std::size_t>(
                std::min<std::uint64_t>(run.length - done_bytes, limits::extent_bytes_max));
            RF_TRY(ExtentId id, context_.extent_ids.next());
            const std::uint64_t file_offset = run.offset + done_bytes;
            content::SealedExtent sealed = content::seal_extent(
                *key.key, {id, node.container, key.id, block_shift}, {node.id, file_offset},
                run.bytes().subspan(done_bytes, length), context_.random);
            Batch::Placed placed;
            placed.slice = {file_offset, length, id, 0};
            placed.extent.shape = sealed.shape;
            placed.extent.location.length = sealed.bytes.size();
            if (sealed.bytes.size() <= limits::inline_extent_bytes_max &&
                inline_total + sealed.bytes.size() <= limits::inline_file_bytes_max) {
                inline_total += sealed.bytes.size();
                placed.inline_bytes = std::move(sealed.bytes);
            } else {
                RF_TRY(Packs::Put put, place(node, sealed.bytes));
                placed.extent.location = put.location;
                placed.mark = put.mark;
                placed.hold = std::move(put.hold);
            }
            batch.extents.push_back(std::move(placed));
            done_bytes += length;
        }
    }
    return done();
}

void Files::commit_placed(const std::shared_ptr<Node>& node) {
    MutexLock lock(node->mutex);
    while (!node->committing && !node->batches.empty() && node->batches.front()->placed) {
        node->committing = true;
        auto batch = node->batches.front();
        lock.unlock();
        auto committed = batch->error ? Result<void>(*batch->error) : commit(*node, batch);
        lock.lock();
        node->committing = false;
        if (!committed) {
            lock.unlock();
            fail(*node, std::move(committed).error());
            lock.lock();
        }
    }
    if (node->runs.empty() && node->batches.empty()) {
        MutexLock dirty_lock(dirty_mutex_);
        dirty_.erase(node);
    }
    node->drained.notify_all();
}

Result<void> Files::commit(Node& node, const std::shared_ptr<Batch>& batch) {
    std::vector<std::pair<Slice, PlacedExtent>> fresh;
    std::map<ExtentId, Bytes> inline_of;
    std::map<PackId, std::uint64_t> packs;  // and the newest put in each
    bool inside = false;
    std::uint64_t committed_size = 0;
    {
        MutexLock lock(node.mutex);
        committed_size = node.row.attributes.size;
    }
    for (const Batch::Placed& placed : batch->extents) {
        fresh.emplace_back(placed.slice, placed.extent);
        inside = inside || placed.slice.file_offset < committed_size;
        if (placed.extent.location.pack) {
            std::uint64_t& sequence = packs[placed.mark.pack];
            sequence = std::max(sequence, placed.mark.sequence);
        } else {
            inline_of[placed.extent.shape.extent] = placed.inline_bytes.span();
        }
    }
    // The ordering trap: see the head of files.h.
    if (inside)
        for (const auto& [pack, sequence] : packs) RF_CHECK(context_.packs.sync({pack, sequence}));

    MapEdit edit;
    catalog::NodeRow row;
    std::optional<Timestamp> written_at;
    auto body = [&](catalog::Writer& w) -> Result<void> {
        std::shared_ptr<const FileMap> map;
        {
            MutexLock lock(node.mutex);
            map = node.map;
            row = node.row;
            written_at = node.written_at;
        }
        edit = map->plan_write(fresh);
        RF_CHECK(write_edit(w, node.id, *map, edit, [&](ExtentId id) -> std::optional<Bytes> {
            auto it = inline_of.find(id);
            return it == inline_of.end() ? std::nullopt : std::optional<Bytes>(it->second);
        }));
        std::uint64_t held = map->held_bytes();
        for (const Slice& slice : edit.added) held += slice.length;
        for (const Slice& slice : edit.removed) held -= slice.length;
        Attributes& attributes = row.attributes;
        attributes.size = std::max(attributes.size, batch->end);
        attributes.allocated_bytes = round_to_512(held);
        if (written_at) {
            attributes.modified = *written_at;
            attributes.changed = std::max(attributes.changed, *written_at);
        }
        row.etag = context_.new_etag();
        return w.update_node(row);
    };
    auto publish = [&] {
        MutexLock lock(node.mutex);
        node.edit_map(edit);
        node.row = row;
        if (!node.batches.empty() && node.batches.front() == batch) node.batches.pop_front();
        if (node.runs.empty() && node.batches.empty() && node.written_at == written_at)
            node.written_at.reset();
        for (const auto& newest : packs) {
            const PackId pack = newest.first;
            const std::uint64_t sequence = newest.second;
            auto known = std::find_if(node.unrecorded.begin(), node.unrecorded.end(),
                                      [&](const PutMark& mark) { return mark.pack == pack; });
            if (known == node.unrecorded.end())
                node.unrecorded.push_back({pack, sequence});
            else
                known->sequence = std::max(known->sequence, sequence);
        }
        context_.budget.give_back(batch->dirty_bytes);
        context_.quotas.give_back(node.container, batch->reserved);
    };
    if (packs.empty() || inside) return context_.catalog.write(body, publish);
    ReadLock gate(commit_gate);
    return context_.catalog.write(body, publish);
}

void Files::fail(Node& node, Error error) {
    log::error("file {}: written data was lost: {}", node.id.value(), error.message());
    std::uint64_t bytes = 0, reserved = 0;
    std::vector<std::shared_ptr<Watcher>> woken;
    {
        MutexLock lock(node.mutex);
        bytes = node.runs.bytes();
        reserved = std::exchange(node.reserved, 0);
        for (const auto& batch : node.batches) {
            bytes += batch->dirty_bytes;
            reserved += batch->reserved;
        }
        node.runs.take_all();
        node.batches.clear();
        node.size = node.row.attributes.size;
        node.written_at.reset();
        ++node.cuts;
        node.failed = std::move(error);
        woken = node.take_woken();
        node.drained.notify_all();
    }
    context_.budget.give_back(bytes);
    context_.quotas.give_back(node.container, reserved);
    wake_all(woken);
}

Result<void> Files::drain(const std::shared_ptr<Node>& node) {
    std::shared_ptr<Batch> batch;
    {
        MutexLock lock(node->mutex);
        while (node->editing && !node->runs.empty() && !node->failed)
            node->drained.wait(node->mutex);
        if (node->failed) return *node->failed;
        if (!node->runs.empty()) batch = freeze(*node);
    }
    if (batch) process(node, batch);
    {
        MutexLock lock(node->mutex);
        while (!node->batches.empty() && !node->failed) node->drained.wait(node->mutex);
        if (node->failed) return *node->failed;
    }
    context_.bound_log();
    return done();
}

namespace {

bool has_bytes_in(const FileMap& map, const PackId& pack) {
    const auto slices = map.slices();
    return std::any_of(slices.begin(), slices.end(), [&](const Slice& slice) {
        return map.extent(slice.extent)->location.pack == pack;
    });
}

}  // namespace

Result<void> Files::check_not_lost(const std::shared_ptr<Node>& node) {
    MutexLock lock(node->mutex);
    for (const PutMark& mark : node->unrecorded) {
        const auto lost = context_.packs.lost(mark);
        if (!lost || !has_bytes_in(*node->map, mark.pack)) continue;
        if (!node->failed) node->failed = *lost;
        return *lost;
    }
    return done();
}

Result<Files::EditScope> Files::edit(const std::shared_ptr<Node>& node) {
    while (true) {
        RF_CHECK(drain(node));
        MutexLock lock(node->mutex);
        while (node->editing) node->drained.wait(node->mutex);
        if (!node->batches.empty()) continue;
        node->editing = true;
        return EditScope(*this, node);
    }
}

void Files::end_edit(const std::shared_ptr<Node>& node) {
    std::shared_ptr<Batch> batch;
    {
        MutexLock lock(node->mutex);
        node->editing = false;
        node->drained.notify_all();
        // A freeze was perhaps wanted meanwhile, and writers may wait for it.
        if (!node->runs.empty()) batch = freeze(*node);
    }
    if (batch) enqueue(node, batch);
}

Result<void> Files::sync_content(const std::shared_ptr<Node>& node) {
    RF_CHECK(ensure_map(*node));
    RF_CHECK(drain(node));
    std::vector<PutMark> marks;
    {
        MutexLock lock(node->mutex);
        marks = node->unrecorded;
    }
    for (const PutMark& mark : marks) {
        if (auto synced = context_.packs.sync(mark); !synced) {
            MutexLock lock(node->mutex);
            if (!has_bytes_in(*node->map, mark.pack)) continue;  // cut off or rewritten since
            if (!node->failed) node->failed = synced.error();
            return synced;
        }
    }
    RF_CHECK(context_.packs.record_ends(marks));
    MutexLock lock(node->mutex);
    std::erase_if(node->unrecorded, [&](const PutMark& left) {
        return std::any_of(marks.begin(), marks.end(), [&](const PutMark& mark) {
            return mark.pack == left.pack && mark.sequence >= left.sequence;
        });
    });
    return done();
}

Result<void> Files::fsync(const std::shared_ptr<Node>& node) {
    RF_CHECK(sync_content(node));
    return context_.catalog.sync();
}

void Files::end_writing(Node& node) {
    std::optional<PackId> own;
    {
        MutexLock lock(node.mutex);
        own = std::exchange(node.own_pack, std::nullopt);
        node.placed_bytes = 0;
    }
    if (own) context_.packs.finish(*own);
}

void Files::freeze_all() {
    std::vector<std::shared_ptr<Node>> nodes;
    {
        MutexLock lock(dirty_mutex_);
        nodes.assign(dirty_.begin(), dirty_.end());
    }
    for (const auto& node : nodes) {
        std::shared_ptr<Batch> batch;
        {
            MutexLock lock(node->mutex);
            if (!node->runs.empty() && !node->editing) batch = freeze(*node);
        }
        if (batch) enqueue(node, batch);
    }
}

void Files::drain_all() {
    std::vector<std::shared_ptr<Node>> nodes;
    {
        MutexLock lock(dirty_mutex_);
        nodes.assign(dirty_.begin(), dirty_.end());
    }
    for (const auto& node : nodes)
        if (auto drained = drain(node); !drained)
            log::debug("file {}: {}", node->id.value(), drained.error().message());
}

}  // namespace reelfs::core
