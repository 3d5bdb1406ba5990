// Rotating a container's key: everything stays readable at every moment, new content is under the
// new key at once, and the old key goes when nothing needs it.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/keys.h"
#include "core/rotate_fixture.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/core/audit.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::must;
using test::SeededRandom;
using test::StoreRig;

class RotateTest : public RotateFixture {
  protected:
    using Contents = std::map<std::string, std::vector<std::byte>>;
    Contents fill(StoreRig& rig, NodeId c) {
        Contents contents;
        for (std::size_t size : {1u, 900u, 5'000u, 20'000u, 300'000u, 1'000'000u}) {
            const std::string name = "f" + std::to_string(size);
            contents[name] = rig.noise(size);
            rig.put(c, name, contents[name]);
        }
        // Of many pieces, some of them dead.
        contents["cut"] = rig.noise(500'000);
        rig.put(c, "cut", contents["cut"]);
        auto file = must(
            rig.tree().open(must(rig.tree().lookup(c, "cut")).node, {.read = true, .write = true}));
        for (int i = 0; i < 20; ++i) {
            const std::size_t at = random_.below(400'000);
            const auto piece = rig.noise(1 + random_.below(20'000));
            must(rig.tree().write({}, *file, at, piece));
            must(rig.tree().flush(*file));
            std::copy(piece.begin(), piece.end(),
                      contents["cut"].begin() + static_cast<std::ptrdiff_t>(at));
        }
        rig.tree().release(file);
        share(rig, c, contents);
        return contents;
    }
    /// Files that share content with others and with themselves, and have diverged.
    void share(StoreRig& rig, NodeId c, Contents& contents) {
        for (const char* name : {"cut", "f900", "f300000"}) {
            rig.copy(c, name, std::string("copy of ") + name);
            contents[std::string("copy of ") + name] = contents[name];
        }
        write(rig, c, "copy of cut", 100'000, rig.noise(70'000), contents);
        write(rig, c, "cut", 300'001, rig.noise(5'000), contents);
        copy_part(rig, c, "f1000000", 123'457, "part", 10, 400'000, contents);
        copy_part(rig, c, "part", 50'000, "part", 300'000, 100'001, contents);
        copy_part(rig, c, "part", 0, "part of part", 77, 350'000, contents);
        rig.copy(c, "f20000", "sole heir");
        contents["sole heir"] = contents["f20000"];
        must(rig.tree().unlink(c, "f20000"));
        contents.erase("f20000");
    }
    void write(StoreRig& rig, NodeId c, const std::string& name, std::size_t at,
               const std::vector<std::byte>& bytes, Contents& contents) {
        auto file = must(
            rig.tree().open(must(rig.tree().lookup(c, name)).node, {.read = true, .write = true}));
        must(rig.tree().write({}, *file, at, bytes));
        must(rig.tree().flush(*file));
        rig.tree().release(file);
        std::copy(bytes.begin(), bytes.end(),
                  contents[name].begin() + static_cast<std::ptrdiff_t>(at));
    }
    void copy_part(StoreRig& rig, NodeId c, const std::string& source, std::size_t from,
                   const std::string& target, std::size_t to, std::size_t length,
                   Contents& contents) {
        const auto there = rig.tree().lookup(c, target);
        auto in = must(rig.tree().open(must(rig.tree().lookup(c, source)).node, {.read = true}));
        auto out = there ? must(rig.tree().open(there->node, {.read = true, .write = true}))
                         : rig.create(c, target);
        EXPECT_EQ(must(rig.tree().copy_range({}, *in, from, *out, to, length)), length);
        must(rig.tree().flush(*out));
        rig.tree().release(in);
        rig.tree().release(out);
        const auto begin = contents[source].begin() + static_cast<std::ptrdiff_t>(from);
        const std::vector<std::byte> piece(begin, begin + static_cast<std::ptrdiff_t>(length));
        auto& bytes = contents[target];
        bytes.resize(std::max(bytes.size(), to + length));
        std::copy(piece.begin(), piece.end(), bytes.begin() + static_cast<std::ptrdiff_t>(to));
    }
    /// What the packs of a store hold for somebody.
    std::int64_t live_bytes(StoreRig& rig) {
        rig.close();
        std::int64_t live = 0;
        {
            auto keyring = must(load_keyring(rig.disk(), "/data/store/keyring", test::test_key()));
            auto opened = must(catalog::open_catalog(rig.disk(), random_, keyring.page_key(),
                                                     {"/data/store/catalog", 4 << 20}));
            for (const auto& [pack, use] : must(audit_content(*opened.catalog)).packs)
                live += use.live_bytes;
            must(opened.catalog->close());
        }
        rig.open();
        return live;
    }
    void expect_contents(StoreRig& rig, const Contents& contents) {
        const NodeId c = rig.container();
        for (const auto& [name, bytes] : contents) EXPECT_EQ(rig.content(c, name), bytes) << name;
    }
};

TEST_F(RotateTest, AllContentIsUnderTheNewKeyAndTheOldOneIsGone) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    rig.put(rig.container("other"), "f", rig.noise(50'000));
    const Contents contents = fill(rig, c);
    const auto before = must(rig.tree().lookup(c, "f5000"));
    const auto etag = must(rig.tree().get_xattr(before.node, "user.reelfs.etag"));
    rig.clock().advance_ms(5'000);
    const RotateReport report = rotate(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_FALSE(report.resumed);
    EXPECT_EQ(report.key, KeyId(2));
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    EXPECT_EQ(keys_of(rig, "other"), std::vector<std::uint32_t>{1});
    expect_contents(rig, contents);
    const auto after = must(rig.tree().lookup(c, "f5000"));
    EXPECT_EQ(after, before) << "it is the same file";
    EXPECT_EQ(must(rig.tree().get_xattr(before.node, "user.reelfs.etag")), etag);
    expect_clean(rig);
    expect_contents(rig, contents);
    EXPECT_EQ(rotate(rig).key, KeyId(3));
    expect_clean(rig);
    expect_contents(rig, contents);
}

TEST_F(RotateTest, WhatFilesShareTheyShareAfterwards) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    Contents contents;
    contents["film"] = rig.noise(2'000'000);
    rig.put(c, "film", contents["film"]);
    for (int i = 0; i < 20; ++i) {
        const std::string name = "copy " + std::to_string(i);
        rig.copy(c, "film", name);
        contents[name] = contents["film"];
    }
    write(rig, c, "copy 7", 500'000, rig.noise(20'000), contents);
    const std::int64_t before = live_bytes(rig);
    EXPECT_LT(before, 2'200'000);
    const RotateReport report = rotate(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    expect_contents(rig, contents);
    const std::int64_t after = live_bytes(rig);
    EXPECT_LT(after, before + 100'000) << "no copy has become one of its own";
    expect_clean(rig);
    // They part as before, and the last gives back the room.
    write(rig, rig.container(), "copy 3", 0, rig.noise(100'000), contents);
    expect_contents(rig, contents);
    for (const auto& [name, bytes] : contents) must(rig.tree().unlink(rig.container(), name));
    EXPECT_EQ(live_bytes(rig), 0);
    expect_clean(rig);
}

TEST_F(RotateTest, ASliceThatGrowsWhileItsExtentIsSealedAgainIsWhole) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    Contents contents;
    contents["film"] = rig.noise(1'000'000);
    rig.put(c, "film", contents["film"]);
    rig.copy(c, "film", "copy");
    AttributeChange cut;
    cut.size = 300'000;
    must(rig.tree().change({}, must(rig.tree().lookup(c, "copy")).node, cut));
    must(rig.tree().sync());
    std::atomic<bool> copied{false};
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind != test::DiskCall::kWrite || !call.path.ends_with(".pack") ||
            copied.exchange(true))
            return std::nullopt;
        std::thread([&] { copy_part(rig, c, "film", 0, "copy", 0, 1'000'000, contents); }).join();
        return std::nullopt;
    });
    EXPECT_TRUE(rotate(rig).complete);
    rig.disk().set_hook({});
    EXPECT_TRUE(copied);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    expect_contents(rig, contents);
    expect_clean(rig);
    expect_contents(rig, contents);
}

TEST_F(RotateTest, ContentSharedByMoreFilesThanAreMovedTogetherIsWhole) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    Contents contents;
    contents["film"] = rig.noise(50'000);
    rig.put(c, "film", contents["film"]);
    const std::size_t copies = limits::reseal_files_max + 20;
    for (std::size_t i = 0; i < copies; ++i) {
        const std::string name = "copy " + std::to_string(i);
        rig.copy(c, "film", name);
        contents[name] = contents["film"];
    }
    EXPECT_TRUE(rotate(rig).complete);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    expect_contents(rig, contents);
    EXPECT_LT(live_bytes(rig), 150'000) << "sealed once for each so many";
    expect_clean(rig);
}

TEST_F(RotateTest, ARotationThatWasStoppedIsGoneOnWith) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const Contents contents = fill(rig, c);
    int stopped = 0;
    const std::uint64_t apart = test::full_scale() ? 1 : 8;
    for (std::uint64_t n = 1;; n += apart) {
        Job job;
        std::uint64_t puts = 0;
        rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            if (call.kind == test::DiskCall::kWrite && call.path.ends_with(".pack") && ++puts == n)
                job.cancel();
            return std::nullopt;
        });
        auto rotated = rig.volume().rotate_key("c", job);
        rig.disk().set_hook({});
        if (rotated && rotated->complete) break;
        ASSERT_FALSE(rotated.ok());
        EXPECT_EQ(rotated.error().code(), Errc::kCancelled);
        ++stopped;
        EXPECT_EQ(keys_of(rig), (std::vector<std::uint32_t>{1, 2}));
        if (random_.one_in(2))
            rig.kill();
        else
            rig.reopen();
        expect_contents(rig, contents);
    }
    EXPECT_GT(stopped, 0);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    expect_contents(rig, contents);
    expect_clean(rig);
}

TEST_F(RotateTest, APowerCutAtAnyMomentLosesNothing) {
    const std::uint64_t rounds = test::scaled("power cuts in a rotation", 3, 60);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        StoreRig rig(random_);
        const NodeId c = rig.container();
        const Contents contents = fill(rig, c);
        must(rig.tree().sync());
        rig.disk().cut_power_at(1 + random_.below(120));
        Job job;
        const auto rotated = rig.volume().rotate_key("c", job);
        rig.crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())]);
        expect_contents(rig, contents);
        const RotateReport report = rotate(rig);
        EXPECT_TRUE(report.complete);
        EXPECT_EQ(keys_of(rig).size(), 1u);
        expect_contents(rig, contents);
        expect_clean(rig);
        if (HasFailure()) return;
    }
}

TEST_F(RotateTest, OthersWriteMeanwhile) {
    SystemClock clock;  // the background goes by it
    StoreRig rig(random_, std::uint64_t{1} << 40, &clock);
    rig.close();
    rig.background_ms = 1;
    rig.open();
    const NodeId c = rig.container();
    const Contents contents = fill(rig, c);
    std::atomic<bool> over{false};
    std::atomic<int> turns{0};
    std::vector<std::thread> writers;
    std::vector<Contents> written(3);
    for (int w = 0; w < 3; ++w)
        writers.emplace_back([&, w] {
            SeededRandom mine(random_.seed() + static_cast<std::uint64_t>(w));
            Contents& own = written[static_cast<std::size_t>(w)];
            for (; !over; ++turns) {
                const std::string name = "w" + std::to_string(w) + std::to_string(mine.below(4));
                auto& bytes = own[name];
                const auto there = rig.tree().lookup(c, name);
                auto file = there
                                ? must(rig.tree().open(there->node, {.read = true, .write = true}))
                                : rig.create(c, name);
                const std::size_t at = mine.below(100'000);
                const auto piece = rig.noise(1 + mine.below(60'000));
                must(rig.tree().write({}, *file, at, piece));
                must(rig.tree().flush(*file));
                rig.tree().release(file);
                bytes.resize(std::max(bytes.size(), at + piece.size()));
                std::copy(piece.begin(), piece.end(),
                          bytes.begin() + static_cast<std::ptrdiff_t>(at));
                EXPECT_EQ(rig.content(c, name), bytes);
                if (!mine.one_in(3)) continue;
                // Copied over and over into one file, which is cut in between: its slices grow.
                const std::string copy = "c" + std::to_string(w);
                copy_part(rig, c, name, 0, copy, 0, bytes.size(), own);
                EXPECT_EQ(rig.content(c, copy), own[copy]);
                AttributeChange cut;
                cut.size = own[copy].size() / 2;
                must(rig.tree().change({}, must(rig.tree().lookup(c, copy)).node, cut));
                own[copy].resize(static_cast<std::size_t>(*cut.size));
            }
        });
    const std::uint64_t rounds = test::scaled("rotations while others write", 2, 10);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (const int before = turns; turns < before + 6;) std::this_thread::yield();
        EXPECT_TRUE(rotate(rig).complete);
    }
    over = true;
    for (auto& writer : writers) writer.join();
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{static_cast<std::uint32_t>(1 + rounds)});
    expect_contents(rig, contents);
    for (const Contents& own : written) expect_contents(rig, own);
    expect_clean(rig);
}

/// Recovery takes what no promise covers for never written, and cuts it off.
TEST_F(RotateTest, WhatWasPromisedIsPromisedWhereItIsMovedTo) {
    StoreRig rig(random_);
    rig.put(rig.container(), "film", rig.noise(300'000));
    must(rig.tree().sync());
    Job job;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == test::DiskCall::kWrite && call.path.ends_with(".pack")) job.cancel();
        return std::nullopt;
    });
    EXPECT_EQ(rig.volume().rotate_key("c", job).error().code(), Errc::kCancelled);
    rig.disk().set_hook({});
    auto after = rig.disk().crash(test::Crash::kWritten, random_);
    const std::string top = "/data/store/packs";
    const std::string bucket = top + "/" + must(after->list(top)).at(0);
    const std::string pack = bucket + "/" + must(after->list(bucket)).at(0);
    const std::uint64_t end = must(must(after->open(pack, OpenMode::kRead))->size());
    EXPECT_GT(end, 600'000u) << "sealed under the old key and under the new one";
    after->flip(pack, end - 100'000);
    rig.replace_disk(std::move(after));
    const auto film = must(rig.tree().lookup(rig.container(), "film"));
    EXPECT_EQ(film.size, 300'000u) << "damage is told, not cut off";
    auto file = must(rig.tree().open(film.node, {.read = true}));
    std::vector<std::byte> bytes(300'000);
    EXPECT_EQ(rig.tree().read(*file, 0, bytes).error().code(), Errc::kCorrupt);
    rig.tree().release(file);
}

/// A pack in which the catalog names nothing yet looks empty, and empty ones are removed.
TEST_F(RotateTest, APackThatIsWrittenBeforeItIsNamedStays) {
    SystemClock clock;
    StoreRig rig(random_, std::uint64_t{1} << 40, &clock);
    rig.close();
    rig.background_ms = 1;
    rig.open();
    const NodeId c = rig.container();
    Contents contents;
    contents["film"] = rig.noise(2'000'000);
    rig.put(c, "film", contents["film"]);
    // A writer whose next extent goes to a pack of his own, and who has nothing but a share of the
    // film.
    auto writer = rig.create(c, "part");
    const auto filler = rig.noise(limits::own_pack_from_bytes - 500'000);
    must(rig.tree().write({}, *writer, 0, filler));
    must(rig.tree().flush(*writer));
    AttributeChange cut;
    cut.size = 0;
    must(rig.tree().change({}, must(rig.tree().lookup(c, "part")).node, cut));
    copy_part(rig, c, "film", 0, "part", 0, 1'000'000, contents);
    must(rig.tree().sync());
    while (must(rig.volume().health()).freed_bytes != 0) std::this_thread::yield();

    std::atomic<std::uint64_t> rounds{0};
    std::atomic<bool> written{false}, released{false};
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        // What the background does first in each round.
        if (call.kind == test::DiskCall::kOpen && call.path.ends_with("/reserve")) ++rounds;
        if (!call.path.ends_with(".pack")) return std::nullopt;
        if (call.kind == test::DiskCall::kWrite) written = true;
        if (call.kind == test::DiskCall::kRead && written && !released.exchange(true)) {
            rig.tree().release(writer);  // his pack is finished by that
            const std::uint64_t now = rounds;
            while (rounds < now + 4) std::this_thread::yield();
        }
        return std::nullopt;
    });
    EXPECT_TRUE(rotate(rig).complete);
    rig.disk().set_hook({});
    EXPECT_TRUE(released) << "or nothing was proven";
    expect_contents(rig, contents);
    expect_clean(rig);
    expect_contents(rig, contents);
}

TEST_F(RotateTest, WhatIsDamagedKeepsTheOldKeyAndIsTold) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto bytes = rig.noise(200'000);
    rig.put(c, "bad", bytes);
    rig.put(c, "good", bytes);
    must(rig.tree().sync());
    const std::string top = "/data/store/packs";
    const std::string bucket = top + "/" + must(rig.disk().list(top)).at(0);
    rig.disk().flip(bucket + "/" + must(rig.disk().list(bucket)).at(0), 50'000);
    const RotateReport report = rotate(rig);
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(report.problems.size(), 1u);
    EXPECT_EQ(keys_of(rig), (std::vector<std::uint32_t>{1, 2}));
    EXPECT_EQ(rig.content(c, "good"), bytes);
    // What of it is not damaged can be read still.
    auto file = must(rig.tree().open(must(rig.tree().lookup(c, "bad")).node, {.read = true}));
    std::vector<std::byte> end(1'000);
    EXPECT_EQ(must(rig.tree().read(*file, 190'000, end)), end.size());
    rig.tree().release(file);
}

TEST_F(RotateTest, AKeyThatCannotBeSavedIsNotUsed) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto bytes = rig.noise(50'000);
    rig.disk().fail_nth(test::DiskCall::kRename, 1);
    Job job;
    EXPECT_FALSE(rig.volume().rotate_key("c", job).ok());
    rig.put(c, "f", bytes);
    rig.reopen();
    EXPECT_EQ(rig.content(rig.container(), "f"), bytes);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{1});
}

}  // namespace
}  // namespace reelfs::core
