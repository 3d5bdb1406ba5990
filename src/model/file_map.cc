#include "reelfs/model/file_map.h"

#include <algorithm>
#include <unordered_set>

namespace reelfs {

FileMap::Iterator FileMap::first_at(std::uint64_t offset) const {
    auto it = slices_.upper_bound(offset);
    if (it != slices_.begin()) {
        auto before = std::prev(it);
        if (before->second.end() > offset) return before;
    }
    return it;
}

void FileMap::hold(const PlacedExtent& extent) {
    auto [it, added] = uses_.try_emplace(extent.shape.extent);
    it->second.extent = extent;
    if (added && !extent.location.pack) inline_bytes_ += extent.location.length;
}

void FileMap::load(const Slice& slice, const PlacedExtent& extent) {
    slices_.emplace(slice.file_offset, slice);
    hold(extent);
    uses_.at(slice.extent).held_bytes += slice.length;
    held_bytes_ += slice.length;
}

const PlacedExtent* FileMap::extent(ExtentId extent) const {
    auto it = uses_.find(extent);
    return it == uses_.end() ? nullptr : &it->second.extent;
}

std::vector<Slice> FileMap::slices() const {
    std::vector<Slice> all;
    all.reserve(slices_.size());
    for (const auto& [offset, slice] : slices_) all.push_back(slice);
    return all;
}

std::vector<Slice> FileMap::slices_of(ExtentId id, std::uint64_t file_offset,
                                      std::uint64_t start) const {
    std::vector<Slice> found;
    const std::uint64_t begin = file_offset - start;
    const std::uint64_t end = begin + uses_.at(id).extent.shape.plain_bytes;
    for (auto it = first_at(begin); it != slices_.end() && it->second.file_offset < end; ++it)
        if (it->second.extent == id) found.push_back(it->second);
    return found;
}

std::uint64_t FileMap::stop_after(std::uint64_t offset, std::uint64_t end,
                                  std::size_t slices_max) const {
    auto it = first_at(offset);
    for (std::size_t n = 0; n < slices_max && it != slices_.end(); ++n) ++it;
    return it == slices_.end() ? end : std::clamp(it->second.file_offset, offset, end);
}

std::vector<FileMap::Piece> FileMap::pieces(std::uint64_t offset, std::uint64_t length) const {
    std::vector<Piece> result;
    const std::uint64_t end = offset + length;
    std::uint64_t at = offset;
    for (auto it = first_at(offset); at < end; ++it) {
        const bool held = it != slices_.end() && it->second.file_offset < end;
        const std::uint64_t next = held ? std::max(it->second.file_offset, at) : end;
        if (next > at) result.push_back({at, next - at, nullptr, 0});
        if (!held) break;
        const Slice& slice = it->second;
        const std::uint64_t stop = std::min(slice.end(), end);
        result.push_back(
            {next, stop - next, extent(slice.extent), slice.start + (next - slice.file_offset)});
        at = stop;
    }
    return result;
}

bool FileMap::any(std::uint64_t offset, std::uint64_t length) const {
    auto it = first_at(offset);
    return it != slices_.end() && it->second.file_offset < offset + length;
}

std::uint64_t FileMap::next_data(std::uint64_t offset, std::uint64_t end) const {
    auto it = first_at(offset);
    return it == slices_.end() ? end : std::min(end, std::max(offset, it->second.file_offset));
}

std::uint64_t FileMap::next_hole(std::uint64_t offset, std::uint64_t end) const {
    for (auto it = first_at(offset); it != slices_.end() && it->second.file_offset <= offset; ++it)
        offset = it->second.end();
    return std::min(offset, end);
}

void FileMap::cut(std::uint64_t offset, std::uint64_t length, MapEdit& edit) const {
    const std::uint64_t end = offset + length;
    const auto earlier =
        static_cast<std::ptrdiff_t>(edit.removed.size());  // by earlier cuts of this edit
    for (auto it = first_at(offset); it != slices_.end() && it->second.file_offset < end; ++it) {
        const Slice& slice = it->second;
        // A slice that reaches beyond the last cut was handled there already: its remainder is in
        // `added`.
        auto known = std::find_if(edit.added.begin(), edit.added.end(), [&](const Slice& s) {
            return s.file_offset >= slice.file_offset && s.end() <= slice.end() &&
                   s.file_offset < end && s.end() > offset;
        });
        Slice whole = slice;
        if (known != edit.added.end()) {
            whole = *known;
            edit.added.erase(known);
        } else if (auto stop = edit.removed.begin() + earlier;
                   std::find(edit.removed.begin(), stop, slice) != stop) {
            continue;
        } else {
            edit.removed.push_back(slice);
        }
        if (whole.file_offset < offset)
            edit.added.push_back(
                {whole.file_offset, offset - whole.file_offset, whole.extent, whole.start});
        if (whole.end() > end)
            edit.added.push_back(
                {end, whole.end() - end, whole.extent, whole.start + (end - whole.file_offset)});
    }
}

void FileMap::find_dead(MapEdit& edit) const {
    // Per extent touched: which bytes stay held, then which of the blocks of the removed parts hold
    // none of them.
    std::unordered_set<ExtentId> shared;
    for (const PlacedExtent& extent : edit.shared) shared.insert(extent.shape.extent);
    std::unordered_map<ExtentId, std::uint64_t> lost;
    for (const Slice& slice : edit.removed) lost[slice.extent] += slice.length;
    for (const Slice& slice : edit.added)
        if (auto it = lost.find(slice.extent); it != lost.end()) it->second -= slice.length;
    for (const auto& entry : lost) {
        const ExtentId id = entry.first;
        const std::uint64_t bytes = entry.second;
        const Use& use = uses_.at(id);
        if (shared.contains(id)) continue;
        if (use.extent.shared) {
            edit.shared.push_back(use.extent);
            continue;
        }
        if (use.held_bytes == bytes) {
            edit.dead_extents.push_back(id);
            continue;
        }
        const std::uint64_t block = std::uint64_t{1} << use.extent.shape.block_shift;
        for (const Slice& removed : edit.removed) {
            if (removed.extent != id) continue;
            const std::uint64_t base =
                removed.file_offset -
                removed.start;  // file offset of the extent's first byte, may wrap
            auto held_after = [&](std::uint64_t index) {
                const std::uint64_t from = base + index * block;
                const std::uint64_t to =
                    from +
                    std::min<std::uint64_t>(block, use.extent.shape.plain_bytes - index * block);
                for (const Slice& s : edit.added)
                    if (s.extent == id && s.file_offset < to && s.end() > from) return true;
                for (auto it = first_at(from); it != slices_.end() && it->second.file_offset < to;
                     ++it)
                    if (it->second.extent == id &&
                        std::find(edit.removed.begin(), edit.removed.end(), it->second) ==
                            edit.removed.end())
                        return true;
                return false;
            };
            const std::uint64_t last = (removed.start + removed.length - 1) / block;
            for (std::uint64_t i = removed.start / block; i <= last; ++i) {
                if (held_after(i)) continue;
                auto index = static_cast<std::uint32_t>(i);
                auto* run = edit.dead_blocks.empty() ? nullptr : &edit.dead_blocks.back();
                if (run && run->extent == id && run->first.value() + run->count > index)
                    continue;  // shared by two removed slices
                if (run && run->extent == id && run->first.value() + run->count == index)
                    ++run->count;
                else
                    edit.dead_blocks.push_back({id, BlockIndex(index), 1});
            }
        }
    }
}

MapEdit FileMap::plan_write(std::span<const std::pair<Slice, PlacedExtent>> fresh) const {
    MapEdit edit;
    for (const auto& [slice, extent] : fresh) cut(slice.file_offset, slice.length, edit);
    find_dead(edit);
    for (const auto& [slice, extent] : fresh) {
        edit.added.push_back(slice);
        edit.new_extents.push_back(extent);
    }
    return edit;
}

MapEdit FileMap::plan_remove(std::uint64_t offset, std::uint64_t length) const {
    MapEdit edit;
    cut(offset, length, edit);
    find_dead(edit);
    return edit;
}

MapEdit FileMap::plan_share(std::uint64_t offset, std::uint64_t length,
                            std::span<const std::pair<Slice, PlacedExtent>> slices) const {
    MapEdit edit;
    cut(offset, length, edit);
    std::unordered_set<ExtentId> joining;
    for (const auto& [slice, extent] : slices)
        if (joining.insert(slice.extent).second) edit.shared.push_back(extent);
    find_dead(edit);
    for (const auto& [slice, extent] : slices) edit.added.push_back(slice);
    return edit;
}

void FileMap::apply(const MapEdit& edit) {
    for (const Slice& slice : edit.removed) {
        slices_.erase(slice.file_offset);
        uses_.at(slice.extent).held_bytes -= slice.length;
        held_bytes_ -= slice.length;
    }
    for (const PlacedExtent& extent : edit.new_extents) hold(extent);
    for (const PlacedExtent& extent : edit.shared) hold(extent);
    for (const Slice& slice : edit.added) {
        slices_.emplace(slice.file_offset, slice);
        uses_.at(slice.extent).held_bytes += slice.length;
        held_bytes_ += slice.length;
    }
    for (const Slice& slice : edit.removed) {
        auto it = uses_.find(slice.extent);
        if (it == uses_.end() || it->second.held_bytes > 0) continue;
        const Location& location = it->second.extent.location;
        if (!location.pack) inline_bytes_ -= location.length;
        uses_.erase(it);
    }
}

void FileMap::mark_shared(std::span<const ExtentId> extents) {
    for (ExtentId id : extents) uses_.at(id).extent.shared = true;
}

}  // namespace reelfs
