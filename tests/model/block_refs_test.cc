// Counts of shared blocks: pure arithmetic, and together with FileMap against a reference that
// looks at every byte of several files.
#include "reelfs/model/block_refs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

namespace reelfs {
namespace {

constexpr unsigned kBlockShift = 12;
constexpr std::uint64_t kBlock = 1u << kBlockShift;

RefRun run(std::uint32_t first, std::uint32_t count, std::uint32_t refs) {
    return {BlockIndex(first), count, refs};
}
RefChange change(std::uint32_t first, std::uint32_t count, std::int32_t by) {
    return {BlockIndex(first), count, by};
}

TEST(BlockRefs, ASliceCountsForEachBlockItTouches) {
    const std::vector<Slice> slices{{0, 5000, ExtentId(1), 0}, {5000, 100, ExtentId(1), 5000}};
    EXPECT_EQ(count_refs(slices, kBlockShift), (std::vector{run(0, 1, 1), run(1, 1, 2)}));
}

TEST(BlockRefs, ChangesSplitRunsAndEqualNeighboursMerge) {
    auto more = recount(std::vector{run(0, 8, 1)}, std::vector{change(2, 4, 1)});
    ASSERT_TRUE(more.ok());
    EXPECT_EQ(more->runs, (std::vector{run(0, 2, 1), run(2, 4, 2), run(6, 2, 1)}));
    EXPECT_TRUE(more->dead.empty());
    auto back = recount(more->runs, std::vector{change(2, 4, -1)});
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->runs, std::vector{run(0, 8, 1)});
}

TEST(BlockRefs, ABlockDiesWithItsLastSlice) {
    auto left = recount(std::vector{run(0, 4, 1), run(4, 1, 2)}, std::vector{change(1, 4, -1)});
    ASSERT_TRUE(left.ok());
    EXPECT_EQ(left->runs, (std::vector{run(0, 1, 1), run(4, 1, 1)}));
    EXPECT_EQ(left->dead, std::vector{run(1, 3, 0)});
}

TEST(BlockRefs, WhatIsDeadStaysDeadAndCountsNeverFallBelowZero) {
    EXPECT_EQ(recount(std::vector{run(0, 2, 1)}, std::vector{change(2, 1, 1)}).error().code(),
              Errc::kCorrupt);
    EXPECT_EQ(recount(std::vector{run(0, 2, 1)}, std::vector{change(1, 1, -2)}).error().code(),
              Errc::kCorrupt);
}

/// Files, their maps, and the catalog's counts, as core keeps them; beside them one entry per byte.
class Model {
  public:
    static constexpr std::size_t kFiles = 3, kBytes = 10 * kBlock;

    explicit Model(std::mt19937& random) : random_(random) {
        for (auto& file : bytes_) file.assign(kBytes, {0, 0});
    }

    void step() {
        const std::size_t file = random_() % kFiles, offset = random_() % kBytes,
                          length =
                              1 + random_() % std::min<std::size_t>(kBytes - offset, 4 * kBlock);
        switch (random_() % 4) {
            case 0:
                write(file, offset, length);
                break;
            case 1:
                remove(file, offset, length);
                break;
            default:
                share(random_() % kFiles, random_() % (kBytes - length + 1), file, offset, length);
        }
        check();
    }

  private:
    struct Known {
        PlacedExtent extent;
        std::vector<RefRun> runs;      // when shared
        std::set<std::uint32_t> dead;  // blocks freed
        bool gone = false;
    };

    void write(std::size_t file, std::size_t offset, std::size_t length) {
        PlacedExtent extent;
        extent.shape.extent = ExtentId(++last_);
        extent.shape.block_shift = kBlockShift;
        extent.shape.plain_bytes = static_cast<std::uint32_t>(length);
        extent.location.length = 1;  // inline
        known_[last_].extent = extent;
        const std::vector<std::pair<Slice, PlacedExtent>> fresh{
            {{offset, length, ExtentId(last_), 0}, extent}};
        commit(file, maps_[file].plan_write(fresh));
        for (std::size_t i = 0; i < length; ++i) bytes_[file][offset + i] = {last_, i};
    }

    void remove(std::size_t file, std::size_t offset, std::size_t length) {
        commit(file, maps_[file].plan_remove(offset, length));
        for (std::size_t i = 0; i < length; ++i) bytes_[file][offset + i] = {0, 0};
    }

    void share(std::size_t source, std::size_t from, std::size_t target, std::size_t to,
               std::size_t length) {
        if (source == target && from < to + length && to < from + length) return;
        std::vector<std::pair<Slice, PlacedExtent>> slices;
        std::vector<ExtentId> newly;
        for (const auto& piece : maps_[source].pieces(from, length)) {
            if (piece.extent == nullptr) continue;
            PlacedExtent extent = *piece.extent;
            const ExtentId id = extent.shape.extent;
            if (!extent.shared && std::find(newly.begin(), newly.end(), id) == newly.end()) {
                newly.push_back(id);
                known_[id.value()].runs = count_refs(
                    maps_[source].slices_of(id, piece.file_offset, piece.start), kBlockShift);
            }
            extent.shared = known_[id.value()].extent.shared = true;
            slices.emplace_back(
                Slice{to + (piece.file_offset - from), piece.length, id, piece.start}, extent);
        }
        const MapEdit edit = maps_[target].plan_share(to, length, slices);
        maps_[source].mark_shared(newly);
        commit(target, edit);
        const auto copy =
            std::vector(bytes_[source].begin() + static_cast<std::ptrdiff_t>(from),
                        bytes_[source].begin() + static_cast<std::ptrdiff_t>(from + length));
        std::copy(copy.begin(), copy.end(),
                  bytes_[target].begin() + static_cast<std::ptrdiff_t>(to));
    }

    void commit(std::size_t file, const MapEdit& edit) {
        for (ExtentId dead : edit.dead_extents) {
            ASSERT_FALSE(known_[dead.value()].extent.shared);
            known_[dead.value()].gone = true;
        }
        for (const auto& dead : edit.dead_blocks) {
            ASSERT_FALSE(known_[dead.extent.value()].extent.shared);
            bury(dead.extent, dead.first.value(), dead.count);
        }
        for (const ExtentChange& changed : ref_changes(edit)) {
            Known& extent = known_[changed.extent->shape.extent.value()];
            auto recounted = recount(extent.runs, changed.changes);
            ASSERT_TRUE(recounted.ok()) << recounted.error().message();
            extent.runs = recounted->runs;
            for (const RefRun& dead : recounted->dead)
                bury(changed.extent->shape.extent, dead.first.value(), dead.count);
            if (extent.runs.empty()) extent.gone = true;
        }
        maps_[file].apply(edit);
    }

    void bury(ExtentId id, std::uint32_t first, std::uint32_t count) {
        for (std::uint32_t b = first; b < first + count; ++b)
            ASSERT_TRUE(known_[id.value()].dead.insert(b).second) << "a block died twice";
    }

    void check() {
        std::map<std::uint64_t, std::map<std::uint32_t, std::uint32_t>> refs;
        for (std::size_t file = 0; file < kFiles; ++file) {
            std::uint64_t inlines = 0;
            std::set<ExtentId> seen;
            std::size_t at = 0;
            for (const auto& piece : maps_[file].pieces(0, kBytes)) {
                ASSERT_EQ(piece.file_offset, at);
                const std::uint64_t named = piece.extent ? piece.extent->shape.extent.value() : 0;
                for (std::size_t i = 0; i < piece.length; ++i, ++at) {
                    const auto& [extent, start] = bytes_[file][at];
                    if (extent != named || (named != 0 && start != piece.start + i))
                        FAIL() << "file " << file << " at " << at;
                }
                if (!piece.extent) continue;
                const ExtentId id = piece.extent->shape.extent;
                ASSERT_EQ(piece.extent->shared, known_[id.value()].extent.shared);
                if (seen.insert(id).second) ++inlines;
                for (auto b = piece.start >> kBlockShift;
                     b <= (piece.start + piece.length - 1) >> kBlockShift; ++b)
                    ++refs[id.value()][static_cast<std::uint32_t>(b)];
            }
            ASSERT_EQ(maps_[file].inline_bytes(), inlines);
        }
        for (const auto& [id, extent] : known_) {
            ASSERT_EQ(extent.gone, !refs.contains(id)) << "extent " << id;
            if (extent.gone) continue;
            const auto last = (extent.extent.shape.plain_bytes - 1) >> kBlockShift;
            for (std::uint32_t b = 0; b <= last; ++b)
                ASSERT_EQ(extent.dead.contains(b), !refs[id].contains(b)) << id << " block " << b;
            if (!extent.extent.shared) continue;
            std::map<std::uint32_t, std::uint32_t> counted;
            for (const RefRun& r : extent.runs)
                for (std::uint32_t b = r.first.value(); b < r.end(); ++b)
                    ASSERT_TRUE(counted.emplace(b, r.refs).second);
            ASSERT_EQ(counted, refs[id]) << "extent " << id;
        }
    }

    std::mt19937& random_;
    std::uint64_t last_ = 0;
    std::array<FileMap, kFiles> maps_;
    std::array<std::vector<std::pair<std::uint64_t, std::uint64_t>>, kFiles>
        bytes_;  // extent, start
    std::map<std::uint64_t, Known> known_;
};

TEST(BlockRefs, FilesThatShareAgreeWithAReferenceOfOneEntryPerByte) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 12; ++round) {
        Model model(random);
        for (int i = 0; i < 60; ++i) {
            model.step();
            if (testing::Test::HasFatalFailure()) return;
        }
    }
}

}  // namespace
}  // namespace reelfs
