#include "reelfs/model/block_refs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace reelfs {

namespace {

/// Where a count changes, and by how much.
using Steps = std::map<std::uint32_t, std::int64_t>;

void add(Steps& steps, const Slice& slice, unsigned block_shift, std::int64_t by) {
    steps[static_cast<std::uint32_t>(slice.start >> block_shift)] += by;
    steps[static_cast<std::uint32_t>((slice.start + slice.length - 1) >> block_shift) + 1] -= by;
}

/// Calls `take(first, count, sum)` for each run of equal sums that are not 0.
template <class Take>
void for_each_run(const Steps& steps, Take take) {
    std::int64_t sum = 0;
    std::uint32_t first = 0;
    for (const auto& [block, step] : steps) {
        if (step == 0) continue;
        if (sum != 0) take(first, block - first, sum);
        first = block;
        sum += step;
    }
}

void append(std::vector<RefRun>& runs, const RefRun& run) {
    if (!runs.empty() && runs.back().end() == run.first.value() && runs.back().refs == run.refs)
        runs.back().count += run.count;
    else
        runs.push_back(run);
}

}  // namespace

std::vector<RefRun> count_refs(std::span<const Slice> slices, unsigned block_shift) {
    Steps steps;
    for (const Slice& slice : slices) add(steps, slice, block_shift, 1);
    std::vector<RefRun> runs;
    for_each_run(steps, [&](std::uint32_t first, std::uint32_t count, std::int64_t sum) {
        runs.push_back({BlockIndex(first), count, static_cast<std::uint32_t>(sum)});
    });
    return runs;
}

std::vector<ExtentChange> ref_changes(const MapEdit& edit) {
    struct Touched {
        const PlacedExtent* extent;
        Steps steps;
    };
    std::unordered_map<ExtentId, Touched> touched;
    for (const PlacedExtent& extent : edit.shared)
        touched.emplace(extent.shape.extent, Touched{&extent, {}});
    const auto note = [&](const std::vector<Slice>& slices, std::int64_t by) {
        for (const Slice& slice : slices)
            if (auto it = touched.find(slice.extent); it != touched.end())
                add(it->second.steps, slice, it->second.extent->shape.block_shift, by);
    };
    note(edit.removed, -1);
    note(edit.added, 1);
    std::vector<ExtentChange> result;
    for (const PlacedExtent& extent : edit.shared) {
        ExtentChange change{&extent, {}};
        for_each_run(touched.at(extent.shape.extent).steps, [&](std::uint32_t first,
                                                                std::uint32_t count,
                                                                std::int64_t sum) {
            change.changes.push_back({BlockIndex(first), count, static_cast<std::int32_t>(sum)});
        });
        if (!change.changes.empty()) result.push_back(std::move(change));
    }
    return result;
}

Result<Recounted> recount(std::span<const RefRun> runs, std::span<const RefChange> changes) {
    // Between two neighbouring edges neither the count nor the change varies.
    std::set<std::uint32_t> edges;
    for (const RefRun& run : runs) edges.insert({run.first.value(), run.end()});
    for (const RefChange& change : changes) edges.insert({change.first.value(), change.end()});
    Recounted result;
    auto run = runs.begin();
    auto change = changes.begin();
    for (auto edge = edges.begin(); edge != edges.end() && std::next(edge) != edges.end(); ++edge) {
        const std::uint32_t from = *edge, to = *std::next(edge);
        while (run != runs.end() && run->end() <= from) ++run;
        while (change != changes.end() && change->end() <= from) ++change;
        const bool counted = run != runs.end() && run->first.value() <= from;
        const bool changed = change != changes.end() && change->first.value() <= from;
        if (changed && !counted)
            return Error(Errc::kCorrupt, fmt::format("block {} is counted nowhere", from));
        if (!counted) continue;
        const std::int64_t refs = std::int64_t{run->refs} + (changed ? change->change : 0);
        if (refs < 0)
            return Error(Errc::kCorrupt, fmt::format("block {} is counted {} times, and {} slices "
                                                     "go",
                                                     from, run->refs, -change->change));
        append(refs > 0 ? result.runs : result.dead,
               {BlockIndex(from), to - from, static_cast<std::uint32_t>(refs)});
    }
    return result;
}

}  // namespace reelfs
