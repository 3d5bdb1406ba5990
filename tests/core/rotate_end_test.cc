// When the old key of a container may go: not before the last row that names it has, whatever
// others copy, remove, upload and read while its content is sealed again.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "core/keys.h"
#include "core/rotate_fixture.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {
namespace {

using test::DiskCall;
using test::DiskFault;
using test::kHere;
using test::must;
using test::StoreRig;

class RotateEndTest : public RotateFixture {
  protected:
    /// In many slices, each an extent of its own.
    std::vector<std::byte> put_in_pieces(StoreRig& rig, NodeId c, std::string_view name,
                                         std::size_t pieces) {
        constexpr std::size_t kPiece = 3 * limits::inline_extent_bytes_max;
        const auto bytes = rig.noise(pieces * kPiece);
        auto file = rig.create(c, name);
        for (std::size_t i = 0; i < pieces; ++i) {
            must(rig.tree().write({}, *file, i * kPiece, Bytes(bytes).subspan(i * kPiece, kPiece)));
            must(rig.tree().flush(*file));
        }
        rig.tree().release(file);
        return bytes;
    }
    static bool is_pack(const test::CallInfo& call) { return call.path.ends_with(".pack"); }
};

TEST_F(RotateEndTest, ACopyMadeWhileItsOriginalGoesIsFound) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto film = rig.noise(300'000);
    // Shared, though one only has it.
    rig.put(c, "first", film);
    rig.copy(c, "first", "film");
    must(rig.tree().unlink(c, "first"));
    must(rig.tree().sync());
    std::atomic<bool> moved{false};
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kRead || !is_pack(call) || moved.exchange(true))
            return std::nullopt;
        std::thread([&] {
            rig.copy(c, "film", "copy");
            must(rig.tree().unlink(c, "film"));
        }).join();
        return std::nullopt;
    });
    const auto report = rotate(rig);
    rig.disk().set_hook({});
    EXPECT_TRUE(moved) << "or nothing was proven";
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    rig.reopen();
    EXPECT_EQ(rig.content(rig.container(), "copy"), film);
    expect_clean(rig);
}

TEST_F(RotateEndTest, WhatGoesFromFileToFileEachTimeKeepsItsKey) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto film = rig.noise(50'000);
    rig.put(c, "first", film);
    rig.copy(c, "first", "film0");
    must(rig.tree().unlink(c, "first"));
    must(rig.tree().sync());
    std::atomic<int> moved{0};
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kRead || !is_pack(call)) return std::nullopt;
        std::thread([&] {
            const std::string from = "film" + std::to_string(moved);
            rig.copy(c, from, "film" + std::to_string(++moved));
            must(rig.tree().unlink(c, from));
        }).join();
        return std::nullopt;
    });
    const auto report = try_rotate(rig);
    rig.disk().set_hook({});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), Errc::kBusy) << report.error().message();
    EXPECT_EQ(keys_of(rig), (std::vector<std::uint32_t>{1, 2}));
    rig.reopen();
    EXPECT_EQ(rig.content(rig.container(), "film" + std::to_string(moved)), film);
    EXPECT_TRUE(rotate(rig).complete);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
}

/// The background erases it from the rows it had when it began.
TEST_F(RotateEndTest, ARemovedFileThatWaitsForTheBackgroundIsNotMoved) {
    StoreRig rig(random_);
    put_in_pieces(rig, rig.container(), "big", 300);
    const auto kept = rig.noise(100'000);
    rig.put(rig.container(), "kept", kept);
    rig.close();
    rig.background_ms = 1;  // of the rig's clock: a round is run when the test says so
    rig.open();
    const NodeId c = rig.container();
    must(rig.tree().unlink(c, "big"));  // whose node is not in memory
    std::atomic<std::uint64_t> rounds{0};
    std::atomic<bool> written{false};
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        // What the background does first in each round.
        if (call.kind == DiskCall::kOpen && call.path.ends_with("/reserve")) ++rounds;
        if (call.kind != DiskCall::kWrite || !is_pack(call) || written.exchange(true))
            return std::nullopt;
        for (int round = 0; round < 2; ++round) {  // the first is over when the second begins
            const std::uint64_t before = rounds;
            while (rounds == before) {
                rig.clock().advance_ms(1);
                std::this_thread::yield();
            }
        }
        return std::nullopt;
    });
    const auto report = try_rotate(rig);
    rig.disk().set_hook({});
    EXPECT_TRUE(written);
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_TRUE(report->complete);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    EXPECT_EQ(rig.content(c, "kept"), kept);
    expect_clean(rig);
}

/// Without a background the rotation takes it away itself.
TEST_F(RotateEndTest, ARemovedFileThatNobodyTakesAwayIsTakenAway) {
    StoreRig rig(random_);
    put_in_pieces(rig, rig.container(), "big", 100);
    rig.reopen();
    must(rig.tree().unlink(rig.container(), "big"));
    const RotateReport report = rotate(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.extents, 0u) << "nothing was moved";
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
    expect_clean(rig);
}

TEST_F(RotateEndTest, WhoReadsWhatWasHasTheKeyUntilHeIsDone) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto film = rig.noise(500'000);
    rig.put(c, "film", film);
    auto reader = must(rig.tree().open_object(kHere, "c", {"film"}));
    Job job;
    std::atomic<bool> over{false};
    std::optional<Result<RotateReport>> rotated;
    std::thread rotation([&] {
        rotated.emplace(rig.volume().rotate_key("c", job));
        over = true;
    });
    while (!over && job.state().stage != "waiting for readers") std::this_thread::yield();
    job.cancel();
    rotation.join();
    ASSERT_TRUE(rotated.has_value());
    ASSERT_FALSE(rotated->ok()) << "nobody waited";
    EXPECT_EQ(rotated->error().code(), Errc::kCancelled);
    EXPECT_EQ(keys_of(rig), (std::vector<std::uint32_t>{1, 2}));
    Pins pins;
    must(reader->read(0, film.size(), pins));
    std::vector<std::byte> bytes;
    for (const PinnedBytes& pin : pins)
        bytes.insert(bytes.end(), pin.bytes.begin(), pin.bytes.end());
    EXPECT_EQ(bytes, film);
    pins.clear();
    reader.reset();
    const auto report = rotate(rig);
    EXPECT_TRUE(report.complete);
    EXPECT_TRUE(report.resumed);
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{2});
}

TEST_F(RotateEndTest, AnUploadGoesOnThroughARotation) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto film = rig.noise(3'000'000);
    const Bytes first = Bytes(film).first(1'500'000), second = Bytes(film).subspan(1'500'000);
    for (const bool streaming : {false, true}) {
        const std::string name = streaming ? "live" : "film";
        UploadOptions options;
        options.ticket = rig.tree().draw_ticket();
        options.streaming = streaming;
        auto upload = must(rig.tree().begin_upload("c", {name}, options));
        must(upload->append(first));
        must(rig.tree().sync());
        EXPECT_TRUE(rotate(rig).complete);
        must(upload->append(second));
        upload->complete();
        must(upload->make_durable());
        must(upload->publish(std::vector<std::byte>(32, std::byte{1})));
        upload.reset();
        EXPECT_EQ(rig.content(c, name), film) << name;
    }
    EXPECT_EQ(keys_of(rig), std::vector<std::uint32_t>{3});
    rig.reopen();
    EXPECT_EQ(rig.content(rig.container(), "film"), film);
    EXPECT_EQ(rig.content(rig.container(), "live"), film);
    expect_clean(rig);
}

TEST_F(RotateEndTest, WhatTheDiskDoesNotGiveIsToldAndTheRestIsMoved) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto bytes = rig.noise(200'000);
    rig.put(c, "bad", bytes);
    rig.put(c, "shared", bytes);
    rig.copy(c, "shared", "sharer");
    rig.put(c, "good", bytes);
    must(rig.tree().sync());
    std::uint64_t reads = 0;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        // Of the first file, and of the first of those that share, which come last.
        if (call.kind != DiskCall::kRead || !is_pack(call)) return std::nullopt;
        if (call.offset < 200'000 || (call.offset >= 208'000 && call.offset < 400'000)) {
            ++reads;
            return DiskFault{.code = Errc::kIo};
        }
        return std::nullopt;
    });
    const RotateReport report = rotate(rig);
    rig.disk().set_hook({});
    EXPECT_GE(reads, 2u);
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(report.problems.size(), 2u);
    EXPECT_EQ(report.extents, 1u) << "the good one";
    EXPECT_EQ(keys_of(rig), (std::vector<std::uint32_t>{1, 2}));
    EXPECT_TRUE(rotate(rig).complete) << "when the disk gives it again";
    for (const char* name : {"bad", "shared", "sharer", "good"})
        EXPECT_EQ(rig.content(c, name), bytes) << name;
    expect_clean(rig);
}

TEST_F(RotateEndTest, MoreProblemsThanAnAnswerHoldsAreCounted) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const std::size_t files = limits::findings_max + 5;
    const auto bytes = rig.noise(limits::inline_extent_bytes_max + 1);
    for (std::size_t i = 0; i < files; ++i) rig.put(c, "f" + std::to_string(i), bytes);
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kRead || !is_pack(call)) return std::nullopt;
        return DiskFault{.code = Errc::kIo};
    });
    const RotateReport report = rotate(rig);
    rig.disk().set_hook({});
    ASSERT_EQ(report.problems.size(), limits::findings_max + 1);
    EXPECT_TRUE(report.problems.back().starts_with("and 5 more")) << report.problems.back();
}

/// The rotation makes him a pack of his own; he is gone before it is his.
TEST_F(RotateEndTest, APackMadeForAWriterWhoHasGoneIsFinished) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    auto writer = rig.create(c, "film");
    const auto film = rig.noise(limits::own_pack_from_bytes - 500'000);
    must(rig.tree().write({}, *writer, 0, film));
    must(rig.tree().flush(*writer));
    must(rig.tree().sync());
    std::atomic<bool> released{false};
    std::string made;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kOpen || !is_pack(call) || released ||
            must(rig.disk().exists(call.path)))
            return std::nullopt;
        released = true;
        made = call.path;
        std::thread([&] { rig.tree().release(writer); }).join();
        return std::nullopt;
    });
    EXPECT_TRUE(rotate(rig).complete);
    rig.disk().set_hook({});
    ASSERT_TRUE(released) << "or nothing was proven";
    EXPECT_EQ(rig.content(c, "film"), film);
    must(rig.tree().sync());  // which records what has been finished
    rig.replace_disk_closed(rig.disk().kill());
    {
        auto keyring = must(load_keyring(rig.disk(), "/data/store/keyring", test::test_key()));
        auto opened = must(catalog::open_catalog(rig.disk(), random_, keyring.page_key(),
                                                 {"/data/store/catalog", 4 << 20}));
        std::vector<catalog::PackRow> packs;
        must(opened.catalog->read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(packs, r.packs());
            return done();
        }));
        const auto row = std::find_if(packs.begin(), packs.end(), [&](const auto& pack) {
            return made.ends_with(pack.pack.hex() + ".pack");
        });
        ASSERT_NE(row, packs.end());
        EXPECT_EQ(row->state, catalog::PackState::kClosed);
        must(opened.catalog->close());
    }
    rig.open();
    EXPECT_EQ(rig.content(rig.container(), "film"), film);
}

}  // namespace
}  // namespace reelfs::core
