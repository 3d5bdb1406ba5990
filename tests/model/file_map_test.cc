#include "reelfs/model/file_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace reelfs {
namespace {

constexpr unsigned kShift = 12;

PlacedExtent extent_of(std::uint64_t id, std::uint32_t bytes) {
    PlacedExtent extent;
    extent.shape.extent = ExtentId(id);
    extent.shape.block_shift = kShift;
    extent.shape.plain_bytes = bytes;
    return extent;
}

MapEdit write(FileMap& map, std::uint64_t offset, std::uint32_t length, std::uint64_t id) {
    std::vector<std::pair<Slice, PlacedExtent>> fresh{
        {Slice{offset, length, ExtentId(id), 0}, extent_of(id, length)}};
    MapEdit edit = map.plan_write(fresh);
    map.apply(edit);
    return edit;
}

TEST(FileMap, AnEmptyMapIsOneHole) {
    FileMap map;
    auto pieces = map.pieces(10, 20);
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].extent, nullptr);
    EXPECT_EQ(pieces[0].length, 20u);
    EXPECT_EQ(map.next_data(0, 100), 100u);
    EXPECT_EQ(map.next_hole(0, 100), 0u);
}

TEST(FileMap, AnOverwriteInTheMiddleSplitsAndFreesWholeBlocksOnly) {
    FileMap map;
    write(map, 0, 5 * 4096, 1);
    MapEdit edit =
        write(map, 4000, 2 * 4096 + 200, 2);  // covers blocks 1 and 2 wholly, 0 and 3 in part
    EXPECT_TRUE(edit.dead_extents.empty());
    ASSERT_EQ(edit.dead_blocks.size(), 1u);
    EXPECT_EQ(edit.dead_blocks[0], (MapEdit::DeadBlocks{ExtentId(1), BlockIndex(1), 2}));
    EXPECT_EQ(map.slice_count(), 3u);
}

TEST(FileMap, ABlockDiesWhenItsLastByteIsOverwritten) {
    FileMap map;
    write(map, 0, 4 * 4096, 1);
    EXPECT_TRUE(write(map, 4096, 2000, 2).dead_blocks.empty());
    MapEdit edit = write(map, 4096 + 2000, 4096 - 2000, 3);
    ASSERT_EQ(edit.dead_blocks.size(), 1u);
    EXPECT_EQ(edit.dead_blocks[0], (MapEdit::DeadBlocks{ExtentId(1), BlockIndex(1), 1}));
}

TEST(FileMap, AnExtentDiesWithItsLastSlice) {
    FileMap map;
    write(map, 0, 8192, 1);
    EXPECT_TRUE(map.plan_remove(0, 4096).dead_extents.empty());
    MapEdit edit = map.plan_remove(0, 8192);
    ASSERT_EQ(edit.dead_extents.size(), 1u);
    map.apply(edit);
    EXPECT_EQ(map.slice_count(), 0u);
    EXPECT_EQ(map.held_bytes(), 0u);
    EXPECT_EQ(map.extent(ExtentId(1)), nullptr);
}

TEST(FileMap, SeveralNewExtentsMayCutOneOldSlice) {
    FileMap map;
    write(map, 0, 10 * 4096, 1);
    std::vector<std::pair<Slice, PlacedExtent>> fresh;
    for (std::uint64_t i = 0; i < 3; ++i)
        fresh.push_back(
            {Slice{4096 + i * 3 * 4096, 4096, ExtentId(10 + i), 0}, extent_of(10 + i, 4096)});
    MapEdit edit = map.plan_write(fresh);
    map.apply(edit);
    EXPECT_EQ(edit.removed.size(), 1u);
    EXPECT_EQ(map.slice_count(), 7u);
    EXPECT_EQ(map.held_bytes(), 10u * 4096);
    EXPECT_EQ(edit.dead_blocks.size(), 3u);
}

/// A reference of one entry per byte, against random writes and holes; checks content, dead blocks
/// and dead extents.
TEST(FileMap, AgreesWithAReferenceOfOneEntryPerByte) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    constexpr std::size_t kFile = 12 * 4096;
    for (int round = 0; round < 30; ++round) {
        FileMap map;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> reference(kFile,
                                                                       {0, 0});  // extent, start
        std::map<std::uint64_t, std::uint32_t> length_of;
        std::map<std::uint64_t, std::set<std::uint32_t>> dead;
        for (std::uint64_t id = 1; id < 40; ++id) {
            const std::size_t offset = random() % kFile,
                              length =
                                  1 + random() % std::min<std::size_t>(kFile - offset, 3 * 4096);
            MapEdit edit;
            if (random() % 4 == 0) {
                edit = map.plan_remove(offset, length);
                map.apply(edit);
                for (std::size_t i = 0; i < length; ++i) reference[offset + i] = {0, 0};
            } else {
                edit = write(map, offset, static_cast<std::uint32_t>(length), id);
                length_of[id] = static_cast<std::uint32_t>(length);
                for (std::size_t i = 0; i < length; ++i) reference[offset + i] = {id, i};
            }
            for (const auto& run : edit.dead_blocks)
                for (std::uint32_t b = 0; b < run.count; ++b)
                    ASSERT_TRUE(dead[run.extent.value()].insert(run.first.value() + b).second)
                        << "a block died twice";
            std::map<std::uint64_t, std::set<std::uint32_t>> live;
            for (const auto& [extent, start] : reference)
                if (extent) live[extent].insert(static_cast<std::uint32_t>(start >> kShift));
            for (ExtentId extent : edit.dead_extents) ASSERT_FALSE(live.contains(extent.value()));
            for (const auto& [extent, bytes] : length_of) {
                ASSERT_EQ(map.extent(ExtentId(extent)) != nullptr, live.contains(extent));
                if (!live.contains(extent)) continue;
                for (std::uint32_t b = 0; b <= (bytes - 1) >> kShift; ++b)
                    ASSERT_EQ(dead[extent].contains(b), !live[extent].contains(b))
                        << "extent " << extent << " block " << b;
            }
            std::size_t at = 0;
            for (const auto& piece : map.pieces(0, kFile)) {
                ASSERT_EQ(piece.file_offset, at);
                for (std::size_t i = 0; i < piece.length; ++i, ++at) {
                    ASSERT_EQ(reference[at].first,
                              piece.extent ? piece.extent->shape.extent.value() : 0);
                    if (piece.extent) {
                        ASSERT_EQ(reference[at].second, piece.start + i);
                    }
                }
            }
            ASSERT_EQ(at, kFile);
        }
    }
}

}  // namespace
}  // namespace reelfs
