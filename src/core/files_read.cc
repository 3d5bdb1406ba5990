// Files: reading through the layers, and changes of the map that write nothing (truncate, punch,
// erase; sharing is in files_share.cc).
#include <algorithm>
#include <array>
#include <cstring>

#include "core/files.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using content::ByteRange;

Result<void> Files::ensure_map(Node& node) {
    {
        MutexLock lock(node.mutex);
        if (node.map) return done();
    }
    auto map = std::make_shared<FileMap>();
    std::vector<PutMark> unrecorded;
    std::uint64_t from = 0;
    bool whole = false;
    while (!whole) {
        RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(auto rows, r.slices(node.id, from, limits::catalog_step_rows_max));
            for (const auto& row : rows) {
                map->load(row.slice, row.extent);
                from = row.slice.end();
                if (auto mark = context_.packs.unrecorded(row.extent.location);
                    mark && std::none_of(unrecorded.begin(), unrecorded.end(),
                                         [&](const PutMark& m) { return m.pack == mark->pack; }))
                    unrecorded.push_back(*mark);
            }
            whole = rows.size() < static_cast<std::size_t>(limits::catalog_step_rows_max);
            if (!whole) return done();
            // Under the connection lock nobody commits: what was read is what is. Whoever was first
            // has set it already.
            MutexLock lock(node.mutex);
            if (!node.map) {
                node.load_map(map);
                node.unrecorded = unrecorded;
            }
            return done();
        }));
    }
    context_.nodes.bound_slices();
    return done();
}

Result<void> Files::read_gaps(const FileMap& map, std::uint64_t out_offset, MutableBytes out,
                              const std::vector<ByteRange>& gaps, content::Caching caching) {
    for (const ByteRange& gap : gaps) {
        for (const FileMap::Piece& piece : map.pieces(gap.offset, gap.length)) {
            MutableBytes target = out.subspan(piece.file_offset - out_offset, piece.length);
            if (piece.extent)
                RF_CHECK(context_.reader.read(*piece.extent, piece.start, target, caching));
            else
                std::memset(target.data(), 0, target.size());
        }
    }
    return done();
}

namespace {

/// Shortens `out` to what the file has from `offset` on, fills it from the layers above the map,
/// and returns what the map must give.
std::vector<ByteRange> copy_from_memory(const Node& node, std::uint64_t offset, MutableBytes& out)
    REQUIRES(node.mutex) {
    const std::uint64_t left = offset < node.size ? node.size - offset : 0;
    out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left)));
    std::vector<ByteRange> missing;
    if (out.empty()) return missing;
    missing.push_back({offset, out.size()});
    node.runs.copy_to(offset, out, missing);
    for (auto it = node.batches.rbegin(); it != node.batches.rend() && !missing.empty(); ++it)
        for (const auto& run : (*it)->runs) content::copy_from_run(run, offset, out, missing);
    return missing;
}

}  // namespace

Result<std::size_t> Files::read(Node& node, std::uint64_t offset, MutableBytes out,
                                content::Caching caching) {
    RF_CHECK(ensure_map(node));
    Holds::Hold hold(
        context_.holds);  // before the map is looked at: what it names cannot be reclaimed
    std::shared_ptr<const FileMap> map;
    std::vector<ByteRange> missing;
    {
        MutexLock lock(node.mutex);
        missing = copy_from_memory(node, offset, out);
        map = node.map;
    }
    RF_CHECK(read_gaps(*map, offset, out, missing, caching));
    return out.size();
}

std::optional<std::size_t> Files::read_cached(Node& node, std::uint64_t offset, MutableBytes out) {
    std::shared_ptr<const FileMap> map;
    std::vector<ByteRange> missing;
    {
        MutexLock lock(node.mutex);
        if (!node.map) return std::nullopt;
        missing = copy_from_memory(node, offset, out);
        map = node.map;
    }
    for (const ByteRange& gap : missing) {
        Pins pins;
        if (!pin_map_cached(*map, gap.offset, gap.length, pins)) return std::nullopt;
        MutableBytes target = out.subspan(gap.offset - offset, gap.length);
        for (const PinnedBytes& pin : pins) {
            std::memcpy(target.data(), pin.bytes.data(), pin.bytes.size());
            target = target.subspan(pin.bytes.size());
        }
    }
    return out.size();
}

namespace {

void pin_zeros(std::size_t length, Pins& pins) {
    static constexpr std::array<std::byte, 64 * limits::KiB> kZeros{};
    while (length > 0) {
        const std::size_t n = std::min(length, kZeros.size());
        pins.push_back({nullptr, Bytes(kZeros).first(n)});
        length -= n;
    }
}

}  // namespace

Result<void> Files::pin_map(const FileMap& map, std::uint64_t offset, std::size_t length,
                            Pins& pins) {
    for (const FileMap::Piece& piece : map.pieces(offset, length)) {
        if (piece.extent)
            RF_CHECK(context_.reader.pin(*piece.extent, piece.start, piece.length, pins));
        else
            pin_zeros(piece.length, pins);
    }
    return done();
}

bool Files::pin_map_cached(const FileMap& map, std::uint64_t offset, std::size_t length,
                           Pins& pins) {
    for (const FileMap::Piece& piece : map.pieces(offset, length)) {
        if (!piece.extent)
            pin_zeros(piece.length, pins);
        else if (!context_.reader.pin_cached(*piece.extent, piece.start, piece.length, pins))
            return false;
    }
    return true;
}

Result<void> Files::read_below(Node& node, const Batch& batch, std::uint64_t offset,
                               MutableBytes out) {
    if (out.empty()) return done();
    Holds::Hold hold(context_.holds);
    std::shared_ptr<const FileMap> map;
    std::vector<ByteRange> missing{{offset, out.size()}};
    {
        MutexLock lock(node.mutex);
        auto it = std::find_if(node.batches.begin(), node.batches.end(),
                               [&](const auto& b) { return b.get() == &batch; });
        while (it != node.batches.begin() && it != node.batches.end()) {
            --it;
            for (const auto& run : (*it)->runs) content::copy_from_run(run, offset, out, missing);
        }
        map = node.map;
    }
    return read_gaps(*map, offset, out, missing, content::Caching::kKeep);
}

Result<void> Files::edit_map(Node& node, const std::function<MapEdit(const FileMap&)>& plan,
                             std::optional<std::uint64_t> new_size) {
    MapEdit edit;
    catalog::NodeRow row;
    std::vector<std::shared_ptr<Watcher>> woken;
    auto edited = context_.catalog.write(
        [&](catalog::Writer& w) -> Result<void> {
            std::shared_ptr<const FileMap> map;
            {
                MutexLock lock(node.mutex);
                map = node.map;
                row = node.row;
            }
            edit = plan(*map);
            RF_CHECK(write_edit(w, node.id, *map, edit, [](ExtentId) { return std::nullopt; }));
            std::uint64_t held = map->held_bytes();
            for (const Slice& slice : edit.added) held += slice.length;
            for (const Slice& slice : edit.removed) held -= slice.length;
            Attributes& attributes = row.attributes;
            if (new_size) attributes.size = *new_size;
            attributes.allocated_bytes = (held + 511) / 512 * 512;
            attributes.modified = attributes.changed = context_.clock.now();
            row.etag = context_.new_etag();
            return w.update_node(row);
        },
        [&] {
            MutexLock lock(node.mutex);
            node.edit_map(edit);
            node.row = row;
            if (new_size) node.size = *new_size;
            if (node.runs.empty() && node.batches.empty()) node.written_at.reset();
            woken = node.take_woken();
        });
    wake_all(woken);
    return edited;
}

Result<void> Files::truncate(const std::shared_ptr<Node>& node, std::uint64_t size) {
    if (size > limits::file_bytes_max)
        return Error(Errc::kTooBig, "beyond the largest size a file may have");
    RF_CHECK(context_.check_writable());
    RF_CHECK(ensure_map(*node));
    std::uint64_t dropped = 0, reserved = 0;
    {
        MutexLock lock(node->mutex);
        if (node->failed) return *node->failed;
        const std::uint64_t before = node->runs.bytes();
        node->runs.drop({size, UINT64_MAX - size});
        dropped = before - node->runs.bytes();
        if (node->runs.empty()) reserved = std::exchange(node->reserved, 0);
        // From empty a file grows again; any other change of its length is no longer "written at
        // its end".
        if (size != node->size) node->end_growth_by_change();
        if (size == 0) node->growing = node->writers > 0;
    }
    if (dropped > 0) context_.budget.give_back(dropped);
    context_.quotas.give_back(node->container, reserved);
    RF_TRY([[maybe_unused]] EditScope scope, edit(node));
    return edit_map(
        *node, [&](const FileMap& map) { return map.plan_remove(size, UINT64_MAX - size); }, size);
}

Result<void> Files::punch(const std::shared_ptr<Node>& node, std::uint64_t offset,
                          std::uint64_t length) {
    RF_CHECK(context_.check_writable());
    RF_CHECK(ensure_map(*node));
    {
        MutexLock lock(node->mutex);
        if (offset < node->size) node->end_growth_by_change();
    }
    RF_TRY([[maybe_unused]] EditScope scope, edit(node));
    return edit_map(
        *node, [&](const FileMap& map) { return map.plan_remove(offset, length); }, std::nullopt);
}

Result<bool> Files::erase_content_in(catalog::Writer& w, NodeId node) {
    constexpr int kOneTransaction = 64;
    RF_TRY(auto rows, w.slices(node, 0, kOneTransaction + 1));
    if (rows.size() > kOneTransaction) return false;
    FileMap map;
    for (const auto& row : rows) map.load(row.slice, row.extent);
    RF_CHECK(write_edit(w, node, map, map.plan_remove(0, UINT64_MAX),
                        [](ExtentId) { return std::nullopt; }));
    return true;
}

Result<void> Files::erase_content(NodeId node) {
    FileMap map;
    for (std::uint64_t from = 0;;) {
        std::size_t count = 0;
        RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(auto rows, r.slices(node, from, limits::catalog_step_rows_max));
            count = rows.size();
            for (const auto& row : rows) {
                map.load(row.slice, row.extent);
                from = row.slice.end();
            }
            return done();
        }));
        if (count < static_cast<std::size_t>(limits::catalog_step_rows_max)) break;
    }
    // From the end, so that a crash in between leaves a shorter file.
    auto slices = map.slices();
    while (!slices.empty()) {
        const std::size_t step =
            std::min<std::size_t>(slices.size(), limits::catalog_step_rows_max);
        const std::uint64_t from = slices[slices.size() - step].file_offset;
        MapEdit edit = map.plan_remove(from, UINT64_MAX - from);
        RF_CHECK(context_.catalog.write([&](catalog::Writer& w) {
            return write_edit(w, node, map, edit, [](ExtentId) { return std::nullopt; });
        }));
        map.apply(edit);
        slices.resize(slices.size() - step);
    }
    return done();
}

}  // namespace reelfs::core
