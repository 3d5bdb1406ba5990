#include "reelfs/content/dirty_runs.h"

#include <algorithm>
#include <cassert>

namespace reelfs::content {

namespace {
constexpr std::size_t kFirstCapacity = 4096;
}

void copy_from_run(const DirtyRun& run, std::uint64_t out_offset, MutableBytes out,
                   std::vector<ByteRange>& missing) {
    std::vector<ByteRange> left;
    for (const ByteRange& range : missing) {
        const std::uint64_t from = std::max(range.offset, run.offset),
                            to = std::min(range.end(), run.end());
        if (from >= to) {
            left.push_back(range);
            continue;
        }
        std::memcpy(out.data() + (from - out_offset), run.buffer.data() + (from - run.offset),
                    to - from);
        if (range.offset < from) left.push_back({range.offset, from - range.offset});
        if (to < range.end()) left.push_back({to, range.end() - to});
    }
    missing.swap(left);
}

DirtyRuns::Map::const_iterator DirtyRuns::first_at(std::uint64_t offset) const {
    auto it = runs_.upper_bound(offset);
    if (it != runs_.begin()) {
        auto before = std::prev(it);
        if (before->second.end() > offset) return before;
    }
    return it;
}

void DirtyRuns::write(std::uint64_t offset, Bytes bytes, std::size_t run_bytes_max) {
    while (!bytes.empty()) {
        // The run that holds `offset` or ends there takes what it can; a full one does not grow.
        auto it = runs_.upper_bound(offset);
        DirtyRun* run = nullptr;
        if (it != runs_.begin() && std::prev(it)->second.end() >= offset)
            run = &std::prev(it)->second;
        if (run && run->end() == offset && run->length >= run_bytes_max) run = nullptr;
        if (!run) {
            DirtyRun fresh;
            fresh.offset = offset;
            const bool stream = offset == last_taken_end_;
            fresh.buffer =
                Buffer(stream ? run_bytes_max
                              : std::min(run_bytes_max, std::max(kFirstCapacity, bytes.size())));
            run = &runs_.insert_or_assign(offset, std::move(fresh)).first->second;
        }
        const std::uint64_t within = offset - run->offset;
        std::size_t room =
            static_cast<std::size_t>(run_bytes_max > within ? run_bytes_max - within : 0);
        room = std::max<std::size_t>(
            room, run->length - within);  // an old, longer run may be overwritten in place
        const std::size_t n = std::min(room, bytes.size());
        if (within + n > run->buffer.size()) {
            Buffer larger(
                std::min(run_bytes_max, std::max<std::size_t>(within + n, run->buffer.size() * 2)));
            std::memcpy(larger.data(), run->buffer.data(), run->length);
            run->buffer = std::move(larger);
        }
        // What other runs hold of the part beyond this run's present end is older: drop it.
        const std::uint64_t run_offset = run->offset, old_end = run->end();
        if (offset + n > old_end && first_at(old_end) != runs_.end()) {
            drop({old_end, offset + n - old_end});
            run = &runs_.at(run_offset);
        }
        std::memcpy(run->buffer.data() + within, bytes.data(), n);
        const std::size_t length = std::max<std::size_t>(run->length, within + n);
        bytes_ += length - run->length;
        run->length = length;
        offset += n;
        bytes = bytes.subspan(n);
    }
}

void DirtyRuns::copy_to(std::uint64_t out_offset, MutableBytes out,
                        std::vector<ByteRange>& missing) const {
    for (auto it = first_at(out_offset);
         it != runs_.end() && it->first < out_offset + out.size() && !missing.empty(); ++it)
        copy_from_run(it->second, out_offset, out, missing);
}

bool DirtyRuns::overlaps(ByteRange range) const {
    auto it = first_at(range.offset);
    return it != runs_.end() && it->first < range.end();
}

std::uint64_t DirtyRuns::next_dirty(std::uint64_t offset, std::uint64_t end) const {
    auto it = first_at(offset);
    return it == runs_.end() ? end : std::min(end, std::max(offset, it->first));
}

std::uint64_t DirtyRuns::next_clean(std::uint64_t offset, std::uint64_t end) const {
    for (auto it = first_at(offset); it != runs_.end() && it->first <= offset; ++it)
        offset = it->second.end();
    return std::min(offset, end);
}

void DirtyRuns::drop(ByteRange range) {
    auto found = first_at(range.offset);
    while (found != runs_.end() && found->first < range.end()) {
        auto it = runs_.find(found->first);
        DirtyRun& run = it->second;
        const std::uint64_t end = run.end();
        if (end > range.end()) {
            const auto skip = static_cast<std::size_t>(range.end() - run.offset);
            DirtyRun rest;
            rest.offset = range.end();
            rest.length = run.length - skip;
            rest.buffer = Buffer(rest.length);
            std::memcpy(rest.buffer.data(), run.buffer.data() + skip, rest.length);
            bytes_ += rest.length;
            runs_.emplace(rest.offset, std::move(rest));
        }
        if (run.offset < range.offset) {
            const auto keep = static_cast<std::size_t>(range.offset - run.offset);
            bytes_ -= run.length - keep;
            run.length = keep;
        } else {
            bytes_ -= run.length;
            runs_.erase(it);
        }
        found = first_at(range.offset);
    }
}

std::vector<DirtyRun> DirtyRuns::take_full(std::size_t run_bytes_max) {
    std::vector<DirtyRun> taken;
    for (auto it = runs_.begin(); it != runs_.end();) {
        if (it->second.length < run_bytes_max) {
            ++it;
            continue;
        }
        bytes_ -= it->second.length;
        last_taken_end_ = it->second.end();
        taken.push_back(std::move(it->second));
        it = runs_.erase(it);
    }
    return taken;
}

std::vector<DirtyRun> DirtyRuns::take_all() {
    std::vector<DirtyRun> taken;
    taken.reserve(runs_.size());
    for (auto& [offset, run] : runs_) taken.push_back(std::move(run));
    runs_.clear();
    bytes_ = 0;
    return taken;
}

}  // namespace reelfs::content
