// The bounds of what is kept of files in memory.
#include <gtest/gtest.h>

#include "core/node.h"

namespace reelfs::core {
namespace {

constexpr std::size_t kSlicesOfEach = 10;

catalog::NodeRow row_of(std::uint64_t id) {
    catalog::NodeRow row;
    row.attributes.node = NodeId(id);
    row.attributes.type = NodeType::kFile;
    return row;
}

PlacedExtent extent_of(std::uint64_t id) {
    PlacedExtent extent;
    extent.shape.extent = ExtentId(id);
    extent.shape.block_shift = 12;
    extent.shape.plain_bytes = 4096;
    return extent;
}

std::shared_ptr<Node> adopt_with_map(NodeTable& table, std::uint64_t id) {
    auto node = table.adopt(row_of(id));
    auto map = std::make_shared<FileMap>();
    for (std::uint64_t i = 0; i < kSlicesOfEach; ++i)
        map->load({i * 8192, 4096, ExtentId(id * 100 + i), 0}, extent_of(id * 100 + i));
    MutexLock lock(node->mutex);
    node->load_map(map);
    return node;
}

TEST(NodeTable, ForgetsIdleMapsBeyondTheBoundOfSlices) {
    NodeTable table(1'000, 100);
    for (std::uint64_t id = 1; id <= 50; ++id) {
        adopt_with_map(table, id);
        table.bound_slices();
        EXPECT_LE(table.slices(), 100u) << "after node " << id;
    }
    EXPECT_GT(table.size(), 0u);
    EXPECT_EQ(table.slices(), table.size() * kSlicesOfEach);
}

TEST(NodeTable, WhatSomebodyUsesStaysAndIsStillCounted) {
    NodeTable table(1'000, 100);
    std::vector<std::shared_ptr<Node>> used;
    for (std::uint64_t id = 1; id <= 20; ++id) used.push_back(adopt_with_map(table, id));
    table.bound_slices();
    EXPECT_EQ(table.slices(), 200u);
    for (const auto& node : used) EXPECT_EQ(table.find(node->id), node);
    used.clear();
    table.bound_slices();
    EXPECT_LE(table.slices(), 100u);
}

TEST(NodeTable, AnEditOfAMapIsCounted) {
    NodeTable table(1'000, 100);
    auto node = adopt_with_map(table, 1);
    MutexLock lock(node->mutex);
    const auto held = node->map;  // as a reader of a snapshot does
    node->edit_map(node->map->plan_remove(0, 8192 * 4));
    EXPECT_EQ(table.slices(), kSlicesOfEach - 4);
    EXPECT_EQ(held->slice_count(), kSlicesOfEach);
}

}  // namespace
}  // namespace reelfs::core
