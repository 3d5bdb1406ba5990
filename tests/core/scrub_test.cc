// Scrub: all content is read and authenticated while the store is in use; what is damaged is named
// exactly; a scrub that was stopped goes on where it was.
#include <gtest/gtest.h>

#include <thread>

#include "core/test_store.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::DiskCall;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class ScrubTest : public ::testing::Test {
  protected:
    ScrubReport scrub(StoreRig& rig, const ScrubOptions& options = {}) {
        Job job;
        return must(rig.volume().scrub(options, job));
    }
    static std::string only_pack(StoreRig& rig) {
        const std::string top = "/data/store/packs";
        for (const std::string& bucket : must(rig.disk().list(top)))
            for (const std::string& name : must(rig.disk().list(top + "/" + bucket)))
                return top + "/" + bucket + "/" + name;
        return "";
    }
    SeededRandom random_;
};

TEST_F(ScrubTest, WhatIsWellIsGood) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "inline", rig.noise(100));
    rig.put(c, "small", rig.noise(20'000));
    rig.put(c, "large", rig.noise(3'000'000));
    const ScrubReport report = scrub(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.damaged, 0u);
    EXPECT_GE(report.extents, 3u);
    EXPECT_GT(report.bytes, 3'020'100u);
}

TEST_F(ScrubTest, DamageIsNamedByPathAndRangeWhileTheRestIsRead) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(200'000);
    rig.put(c, "bad", bytes);
    rig.put(c, "good", bytes);
    must(rig.tree().sync());
    rig.disk().flip(only_pack(rig), 4096 + 50'000);
    const ScrubReport report = scrub(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.damaged, 1u);
    ASSERT_EQ(report.lines.size(), 1u);
    EXPECT_TRUE(report.lines[0].starts_with("/films/bad: bytes 49152 to 57343 are damaged"))
        << report.lines[0];
    EXPECT_EQ(rig.content(c, "good"), bytes);
}

TEST_F(ScrubTest, DamageOfSharedContentIsNamedForEachFileThatHasIt) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "film", rig.noise(200'000));
    rig.copy(c, "film", "copy");
    rig.copy(c, "film", "start");
    AttributeChange cut;
    cut.size = 40'000;
    must(rig.tree().change({}, must(rig.tree().lookup(c, "start")).node, cut));
    must(rig.tree().sync());
    rig.disk().flip(only_pack(rig), 4096 + 50'000);
    const ScrubReport report = scrub(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.damaged, 2u);
    ASSERT_EQ(report.lines.size(), 2u);
    EXPECT_TRUE(report.lines[0].starts_with("/films/film: bytes 49152 to 57343 are damaged"))
        << report.lines[0];
    EXPECT_TRUE(report.lines[1].starts_with("/films/copy: bytes 49152 to 57343 are damaged"))
        << report.lines[1];
}

TEST_F(ScrubTest, BlocksOfSharedContentThatNobodyHasAreNoDamage) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "film", rig.noise(400'000));
    rig.copy(c, "film", "copy");
    for (const char* name : {"film", "copy"}) {
        AttributeChange cut;
        cut.size = 100'000;
        must(rig.tree().change({}, must(rig.tree().lookup(c, name)).node, cut));
    }
    const auto punched = rig.disk().calls(DiskCall::kPunch);
    rig.reopen();
    ASSERT_GT(rig.disk().calls(DiskCall::kPunch), punched) << "nothing was given back";
    const ScrubReport report = scrub(rig);
    EXPECT_EQ(report.damaged, 0u) << report.lines.at(0);
}

TEST_F(ScrubTest, AHeaderAloneIsToldAsWhatItIs) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(200'000);
    rig.put(c, "f", bytes);
    must(rig.tree().sync());
    rig.disk().flip(only_pack(rig), 70);
    const ScrubReport report = scrub(rig);
    ASSERT_EQ(report.lines.size(), 1u);
    EXPECT_NE(report.lines[0].find("its content is whole"), std::string::npos) << report.lines[0];
    EXPECT_EQ(rig.content(c, "f"), bytes);
}

TEST_F(ScrubTest, BlocksThatDiedAndWereGivenBackAreNoDamage) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "f", rig.noise(1'000'000));
    const NodeId node = must(rig.tree().lookup(c, "f")).node;
    auto file = must(rig.tree().open(node, {.read = true, .write = true}));
    must(rig.tree().write({}, *file, 300'000, rig.noise(200'000)));
    must(rig.tree().allocate({}, *file, AllocateMode::kPunchHole, 700'000, 100'000));
    must(rig.tree().fsync(*file));
    rig.tree().release(file);
    const auto punched = rig.disk().calls(DiskCall::kPunch);
    rig.reopen();
    ASSERT_GT(rig.disk().calls(DiskCall::kPunch), punched) << "nothing was given back";
    const ScrubReport report = scrub(rig);
    EXPECT_EQ(report.damaged, 0u) << report.lines.at(0);
}

TEST_F(ScrubTest, AScrubThatWasStoppedGoesOnAfterARestart) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    for (int i = 0; i < 40; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20'000));
    must(rig.tree().sync());
    rig.disk().flip(only_pack(rig), 4096);
    const ScrubReport whole = scrub(rig, {.resumable = false, .from_start = true});
    ASSERT_EQ(whole.damaged, 1u);

    Job job;
    std::uint64_t reads = 0;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == DiskCall::kRead && call.path.ends_with(".pack") && ++reads == 10)
            job.cancel();
        return std::nullopt;
    });
    const ScrubReport part = must(rig.volume().scrub({}, job));
    rig.disk().set_hook({});
    EXPECT_FALSE(part.complete);
    EXPECT_GT(part.extents, 0u);
    EXPECT_LT(part.extents, whole.extents);
    rig.reopen();
    const ScrubReport rest = scrub(rig);
    EXPECT_TRUE(rest.complete);
    EXPECT_TRUE(rest.resumed);
    EXPECT_EQ(rest.extents, whole.extents);
    EXPECT_EQ(rest.bytes, whole.bytes);
    EXPECT_EQ(rest.lines, whole.lines) << "what was found before the stop is told too";
    const ScrubReport next = scrub(rig);
    EXPECT_FALSE(next.resumed);
    EXPECT_EQ(next.extents, whole.extents);
}

/// Who is asked to stop does not first walk over everything to name what was found: that is for
/// the next one.
TEST_F(ScrubTest, AStoppedScrubNamesByNumberAndTheNextByPath) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    for (int i = 0; i < 10; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20'000));
    rig.put(c, "shared", rig.noise(20'000));
    rig.copy(c, "shared", "copy");
    for (const char* name : {"then", "last"}) rig.put(c, name, rig.noise(20'000));
    must(rig.tree().sync());
    constexpr std::uint64_t kStep = 20'480;
    rig.disk().flip(only_pack(rig), 4096 + 2 * kStep);
    rig.disk().flip(only_pack(rig), 4096 + 10 * kStep);  // the shared one
    const ScrubReport whole = scrub(rig, {.resumable = false, .from_start = true});
    ASSERT_EQ(whole.damaged, 3u);
    Job job;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == DiskCall::kRead && call.path.ends_with(".pack") &&
            call.offset == 11 * kStep)
            job.cancel();
        return std::nullopt;
    });
    ScrubReport stopped = must(rig.volume().scrub({}, job));
    rig.disk().set_hook({});
    EXPECT_FALSE(stopped.complete);
    EXPECT_LT(stopped.extents, whole.extents);
    EXPECT_EQ(stopped.damaged, 2u);
    ASSERT_EQ(stopped.lines.size(), 2u);
    EXPECT_NE(stopped.lines[0].find("container 1, node "), std::string::npos) << stopped.lines[0];
    EXPECT_NE(stopped.lines[1].find("which files share"), std::string::npos) << stopped.lines[1];
    // Stopped at once, twice: nothing is forgotten, and nothing told twice.
    for (int again = 0; again < 2; ++again) {
        Job at_once;
        at_once.cancel();
        EXPECT_FALSE(must(rig.volume().scrub({}, at_once)).complete);
        rig.reopen();
    }
    ScrubReport rest = scrub(rig);
    EXPECT_TRUE(rest.complete);
    EXPECT_EQ(rest.damaged, whole.damaged);
    EXPECT_EQ(rest.extents, whole.extents);
    EXPECT_EQ(rest.lines, whole.lines);
}

TEST_F(ScrubTest, AFullDiskEndsNoScrub) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    for (int i = 0; i < 3; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20'000));
    must(rig.tree().sync());
    rig.disk().flip(only_pack(rig), 4096);
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == DiskCall::kWrite && call.path.ends_with("-wal"))
            return test::DiskFault{.code = Errc::kNoSpace};
        return std::nullopt;
    });
    const ScrubReport report = scrub(rig);
    rig.disk().set_hook({});
    EXPECT_TRUE(report.complete);
    ASSERT_EQ(report.lines.size(), 1u);
    EXPECT_TRUE(report.lines[0].starts_with("/films/f0: bytes ")) << report.lines[0];
}

/// What it looks at is kept from being given back, and keeps a container's old key.
TEST_F(ScrubTest, WhileItWaitsForItsRateItKeepsNothing) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    for (int i = 0; i < 4; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20'000));
    must(rig.tree().sync());
    Job slow(1);
    ScrubReport report;
    std::thread scrubber([&] { report = must(rig.volume().scrub({}, slow)); });
    // From the second extent on, advance() waits for hours.
    while (slow.state().done_bytes < 2 * 20'000) std::this_thread::yield();
    Job job;
    EXPECT_TRUE(must(rig.volume().rotate_key("films", job)).complete) << "it waits for readers";
    slow.cancel();
    scrubber.join();
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(report.damaged, 0u);
}

TEST_F(ScrubTest, NothingIsFoundWhileOthersWriteAndDelete) {
    SystemClock clock;  // the background goes by it
    StoreRig rig(random_, std::uint64_t{1} << 40, &clock);
    rig.close();
    rig.background_ms = 1;
    rig.open();
    const NodeId c = rig.container("films");
    std::atomic<bool> over{false};
    std::atomic<int> turns{0};
    std::vector<std::thread> writers;
    for (int w = 0; w < 2; ++w)
        writers.emplace_back([&, w] {
            SeededRandom mine(random_.seed() + static_cast<std::uint64_t>(w));
            for (; !over; ++turns) {
                const std::string name = std::to_string(w) + "-" + std::to_string(mine.below(5));
                if (rig.tree().lookup(c, name)) {
                    must(rig.tree().unlink(c, name));
                    continue;
                }
                auto file = rig.create(c, name);
                for (int i = 0; i < 5; ++i)
                    must(rig.tree().write({}, *file, mine.below(100'000),
                                          rig.noise(1 + mine.below(50'000))));
                must(rig.tree().flush(*file));
                rig.tree().release(file);
            }
        });
    const std::uint64_t rounds = test::scaled("scrubs while others write", 4, 50);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (const int before = turns; turns < before + 8;) std::this_thread::yield();
        const ScrubReport report = scrub(rig, {.resumable = true, .from_start = true});
        EXPECT_TRUE(report.complete);
        EXPECT_EQ(report.damaged, 0u) << report.lines.at(0);
    }
    over = true;
    for (auto& writer : writers) writer.join();
}

}  // namespace
}  // namespace reelfs::core
