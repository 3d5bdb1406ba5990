// A scrub without keys: every whole extent against its checksum.
#include "reelfs/core/keyless.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::must;
using test::SeededRandom;
using test::StoreRig;

class KeylessTest : public ::testing::Test {
  protected:
    KeylessReport scrub(StoreRig& rig) {
        Job job;
        return must(scrub_without_keys(rig.environment(), {"/data/store"}, job));
    }
    static std::string only_pack(StoreRig& rig) {
        const std::string top = "/data/store/packs";
        const std::string bucket = top + "/" + must(rig.disk().list(top)).at(0);
        return bucket + "/" + must(rig.disk().list(bucket)).at(0);
    }
    SeededRandom random_;
};

TEST_F(KeylessTest, ExtentsOfEveryLengthFit) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    std::uint64_t bytes = 0;
    int count = 0;
    for (std::size_t size = 9'000; size < 200'000; size += 1 + random_.below(20'000), ++count) {
        rig.put(c, "f" + std::to_string(size), rig.noise(size));
        bytes += size;
    }
    rig.close();
    const KeylessReport report = scrub(rig);
    EXPECT_EQ(report.damaged, 0u);
    EXPECT_EQ(report.unchecked, 0u);
    EXPECT_EQ(report.extents, static_cast<std::uint64_t>(count));
    EXPECT_GT(report.bytes, bytes);
    rig.open();
}

TEST_F(KeylessTest, EveryFlippedByteIsFound) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (int i = 0; i < 8; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20'000));
    rig.close();
    const std::string pack = only_pack(rig);
    // The padding behind an extent belongs to nobody: nothing is lost with it.
    constexpr std::size_t kExtentBytes = 192 + 20'224, kStep = 20'480;
    for (int round = 0; round < 200; ++round) {
        const std::size_t at = random_.below(8) * kStep + random_.below(kExtentBytes);
        const auto bit = std::byte{1} << random_.below(8);
        rig.disk().flip(pack, at, bit);
        EXPECT_EQ(scrub(rig).damaged, 1u) << at;
        rig.disk().flip(pack, at, bit);
    }
    EXPECT_EQ(scrub(rig).damaged, 0u);
    rig.open();
}

TEST_F(KeylessTest, ABadSectorIsDamageAndTheRestIsRead) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (int i = 0; i < 8; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20'000));
    rig.close();
    // In the body of one, and where the header of another stands.
    constexpr std::uint64_t kStep = 20'480;
    for (const std::uint64_t bad : {3 * kStep + 9'000, 5 * kStep + 100}) {
        rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            if (call.kind == test::DiskCall::kRead && call.path.ends_with(".pack") &&
                call.offset <= bad && bad < call.offset + call.length)
                return test::DiskFault{};
            return std::nullopt;
        });
        const KeylessReport report = scrub(rig);
        rig.disk().set_hook({});
        EXPECT_EQ(report.extents, 7u);
        EXPECT_GT(report.damaged, 0u);
        const std::string place = " at " + std::to_string(bad / 4096 * 4096) + ": ";
        EXPECT_TRUE(std::any_of(
            report.lines.begin(), report.lines.end(),
            [&](const std::string& line) { return line.find(place) != std::string::npos; }));
    }
    rig.open();
}

TEST_F(KeylessTest, WhatWasGivenBackIsNoDamage) {
    for (int round = 0; round < 10; ++round) {
        StoreRig rig(random_);
        const NodeId c = rig.container();
        for (int i = 0; i < 12; ++i)
            rig.put(c, "f" + std::to_string(i), rig.noise(9'000 + random_.below(90'000)));
        for (int i = 0; i < 12; ++i) {
            if (random_.one_in(3))
                must(rig.tree().unlink(c, "f" + std::to_string(i)));
            else if (random_.one_in(2)) {
                auto file =
                    must(rig.tree().open(must(rig.tree().lookup(c, "f" + std::to_string(i))).node,
                                         {.read = true, .write = true}));
                must(rig.tree().allocate({}, *file, AllocateMode::kPunchHole, random_.below(9'000),
                                         30'000));
                rig.tree().release(file);
            }
        }
        rig.reopen();
        rig.close();
        const KeylessReport report = scrub(rig);
        EXPECT_EQ(report.damaged, 0u) << report.lines.at(0);
        rig.open();
    }
}

}  // namespace
}  // namespace reelfs::core
