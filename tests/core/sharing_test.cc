// Files that share content: copies cost nothing, diverge, and give back their room with the last of
// them; counts add up through crashes (Volume::audit walks all of it).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "core/test_store.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {
namespace {

using limits::KiB;
using limits::MiB;
using test::Crash;
using test::must;
using test::SeededRandom;
using test::StoreRig;
using Content = std::vector<std::byte>;

class SharingTest : public ::testing::Test {
  protected:
    SeededRandom random_;
    StoreRig rig_{random_};

    Tree& tree() { return rig_.tree(); }
    NodeId c() { return rig_.container(); }
    NodeId node(std::string_view name) { return must(tree().lookup(c(), name)).node; }
    std::shared_ptr<OpenFile> open(std::string_view name) {
        return must(tree().open(node(name), {.read = true, .write = true}));
    }

    /// cp: all of it, into a new file.
    void copy(std::string_view source, std::string_view target) {
        auto from = open(source), to = rig_.create(c(), target);
        const std::uint64_t size = must(tree().attributes(node(source))).size;
        EXPECT_EQ(must(tree().copy_range({}, *from, 0, *to, 0, size + 1000)), size);
        must(tree().flush(*to));
        tree().release(from);
        tree().release(to);
    }
    Result<std::uint64_t> copy_part(std::string_view source, std::uint64_t from,
                                    std::string_view target, std::uint64_t to,
                                    std::uint64_t length) {
        auto source_file = open(source), target_file = open(target);
        auto copied = tree().copy_range({}, *source_file, from, *target_file, to, length);
        must(tree().flush(*target_file));
        tree().release(source_file);
        tree().release(target_file);
        return copied;
    }
    void write(std::string_view name, std::uint64_t offset, Bytes bytes) {
        auto file = open(name);
        must(tree().write({}, *file, offset, bytes));
        must(tree().flush(*file));
        tree().release(file);
    }
    void truncate(std::string_view name, std::uint64_t size) {
        AttributeChange change;
        change.size = size;
        must(tree().change({}, node(name), change));
    }
    void punch(std::string_view name, std::uint64_t offset, std::uint64_t length) {
        auto file = open(name);
        must(tree().allocate({}, *file, AllocateMode::kPunchHole, offset, length));
        tree().release(file);
    }
    void expect_sound(const std::string& when = "") {
        const auto found = must(rig_.volume().audit());
        EXPECT_TRUE(found.empty())
            << when << ": " << found.size() << " findings, the first: " << found.front();
    }
    /// Bytes of content on the disk, as written and not yet given back.
    std::uint64_t pack_bytes() {
        std::uint64_t bytes = 0;
        for (const auto& bucket : must(rig_.disk().list("/data/store/packs")))
            for (const auto& pack : must(rig_.disk().list("/data/store/packs/" + bucket))) {
                auto file = must(
                    rig_.disk().open("/data/store/packs/" + bucket + "/" + pack, OpenMode::kRead));
                bytes += must(file->size());
            }
        return bytes;
    }
    double gauge(std::string_view name) {
        for (const auto& gauge : tree().gauges())
            if (gauge.name == name) return gauge.value;
        ADD_FAILURE() << "no gauge " << name;
        return 0;
    }
    Content more_;
    /// `a` grows without a sync; of what it grew by, a part goes into `b`; all of `a` into `d`.
    void write_unsynced(StoreRig& rig, NodeId c, const Content& bytes) {
        more_ = rig.noise(150'000);
        auto a = must(
            rig.tree().open(must(rig.tree().lookup(c, "a")).node, {.read = true, .write = true}));
        auto b = must(
            rig.tree().open(must(rig.tree().lookup(c, "b")).node, {.read = true, .write = true}));
        auto d = rig.create(c, "d");
        must(rig.tree().write({}, *a, bytes.size(), more_));
        must(rig.tree().copy_range({}, *a, bytes.size(), *b, 50'000, 100'000));
        must(rig.tree().copy_range({}, *a, 0, *d, 0, UINT64_MAX));
        for (const auto& file : {a, b, d}) {
            must(rig.tree().flush(*file));
            rig.tree().release(file);
        }
    }
    /// A file of `pieces` extents of 5,000 bytes: more slices than one step takes.
    Content put_fragmented(std::string_view name, std::size_t pieces) {
        Content all;
        auto file = rig_.create(c(), name);
        for (std::size_t i = 0; i < pieces; ++i) {
            const auto piece = rig_.noise(5'000);
            must(tree().write({}, *file, all.size(), piece));
            must(tree().flush(*file));
            all.insert(all.end(), piece.begin(), piece.end());
        }
        tree().release(file);
        return all;
    }
};

TEST_F(SharingTest, ACopyWritesNoContentInAHandfulOfTransactions) {
    const auto bytes = rig_.noise(40 * MiB + 12'345);
    rig_.put(c(), "a", bytes);
    must(tree().sync());
    const std::uint64_t before = pack_bytes();
    const double transactions = gauge("reelfs_catalog_transactions_total");
    copy("a", "b");
    EXPECT_LE(gauge("reelfs_catalog_transactions_total") - transactions, 6);
    EXPECT_EQ(pack_bytes(), before);
    EXPECT_EQ(rig_.content(c(), "b"), bytes);
    EXPECT_EQ(must(tree().lookup(c(), "b")).allocated_bytes,
              must(tree().lookup(c(), "a")).allocated_bytes);
    expect_sound();
    rig_.reopen();
    EXPECT_EQ(rig_.content(c(), "a"), bytes);
    EXPECT_EQ(rig_.content(c(), "b"), bytes);
    expect_sound("after a reopen");
}

TEST_F(SharingTest, CopiesDivergeWhicheverChanges) {
    for (const std::string changed : {"a", "b"}) {
        const std::string other = changed == "a" ? "b" : "a";
        const auto bytes = rig_.noise(3 * MiB + 77);
        rig_.put(c(), "a", bytes);
        copy("a", "b");
        Content expected = bytes;
        const auto patch = rig_.noise(100'001);
        write(changed, 1'000'003, patch);
        std::copy(patch.begin(), patch.end(), expected.begin() + 1'000'003);
        expect_sound("overwritten");
        punch(changed, 10'000, 50'000);
        std::fill_n(expected.begin() + 10'000, 50'000, std::byte{0});
        expect_sound("punched");
        truncate(changed, 2 * MiB + 5);
        expected.resize(2 * MiB + 5);
        expect_sound("truncated");
        write(changed, expected.size(), patch);
        expected.insert(expected.end(), patch.begin(), patch.end());
        expect_sound("appended");
        EXPECT_EQ(rig_.content(c(), changed), expected);
        EXPECT_EQ(rig_.content(c(), other), bytes);
        rig_.reopen();
        EXPECT_EQ(rig_.content(c(), changed), expected);
        EXPECT_EQ(rig_.content(c(), other), bytes);
        must(tree().unlink(c(), "a"));
        must(tree().unlink(c(), "b"));
    }
}

TEST_F(SharingTest, RoomComesBackWithTheLastCopyInWhateverOrder) {
    for (const auto& order :
         {std::vector<std::string>{"a", "b", "d"}, {"d", "a", "b"}, {"b", "d", "a"}}) {
        const auto bytes = rig_.noise(12 * MiB);
        rig_.put(c(), "a", bytes);
        copy("a", "b");
        copy("b", "d");
        must(tree().unlink(c(), order[0]));
        must(tree().unlink(c(), order[1]));
        rig_.reopen();  // gives back what is free
        expect_sound();
        EXPECT_EQ(rig_.content(c(), order[2]), bytes);
        EXPECT_GE(pack_bytes(), bytes.size());
        must(tree().unlink(c(), order[2]));
        rig_.reopen();
        expect_sound();
        EXPECT_EQ(pack_bytes(), 0u);
    }
}

TEST_F(SharingTest, BlocksThatNobodyTouchesAnyMoreAreGivenBackWhileTheRestIsShared) {
    const auto bytes = rig_.noise(4 * MiB);
    rig_.put(c(), "a", bytes);
    copy("a", "b");
    truncate("a", MiB);
    rig_.reopen();
    const std::uint64_t free_before = must(tree().space()).free_bytes;
    truncate("b", MiB);
    rig_.reopen();
    expect_sound();
    EXPECT_GT(must(tree().space()).free_bytes, free_before + 2 * MiB);
    EXPECT_EQ(rig_.content(c(), "a"), Content(bytes.begin(), bytes.begin() + MiB));
    EXPECT_EQ(rig_.content(c(), "b"), Content(bytes.begin(), bytes.begin() + MiB));
}

TEST_F(SharingTest, RangesNeedNoAlignmentAndMayStandTwiceInOneFile) {
    auto bytes = rig_.noise(300'000);
    rig_.put(c(), "a", bytes);
    EXPECT_EQ(must(copy_part("a", 1'001, "a", 150'003, 100'000)), 100'000u);
    const Content before = bytes;
    std::copy_n(before.begin() + 1'001, 100'000, bytes.begin() + 150'003);
    EXPECT_EQ(must(copy_part("a", 140'000, "a", 300'000, 90'001)), 90'001u);
    bytes.insert(bytes.end(), bytes.begin() + 140'000, bytes.begin() + 230'001);
    EXPECT_EQ(rig_.content(c(), "a"), bytes);
    expect_sound();
    rig_.reopen();
    EXPECT_EQ(rig_.content(c(), "a"), bytes);
    truncate("a", 20'000);
    expect_sound("truncated");
}

TEST_F(SharingTest, HolesStayHolesAndReplaceWhatStoodThere) {
    rig_.put(c(), "a", rig_.noise(20'000));
    truncate("a", 5 * MiB);
    rig_.put(c(), "b", rig_.noise(5 * MiB));
    EXPECT_EQ(must(copy_part("a", 0, "b", 0, 5 * MiB)), 5 * MiB);
    EXPECT_EQ(rig_.content(c(), "b"), rig_.content(c(), "a"));
    EXPECT_LT(must(tree().lookup(c(), "b")).allocated_bytes, 64 * KiB);
    expect_sound();
}

TEST_F(SharingTest, WhatIsStillInMemoryIsCopiedToo) {
    const auto bytes = rig_.noise(200'000);
    auto file = rig_.create(c(), "a");
    must(tree().write({}, *file, 0, bytes));
    copy("a", "b");
    tree().release(file);
    EXPECT_EQ(rig_.content(c(), "b"), bytes);
    expect_sound();
}

TEST_F(SharingTest, ContentInTheCatalogIsSharedToo) {
    Content all;
    auto file = rig_.create(c(), "log");
    for (int i = 0; i < 9; ++i) {
        const auto line = rig_.noise(3'000);
        must(tree().write({}, *file, all.size(), line));
        must(tree().fsync(*file));
        all.insert(all.end(), line.begin(), line.end());
    }
    tree().release(file);
    copy("log", "copy");
    expect_sound();
    const auto line = rig_.noise(50'000);  // now all of it moves to a pack
    write("copy", all.size(), line);
    expect_sound("appended");
    must(tree().unlink(c(), "log"));
    expect_sound("unlinked");
    rig_.reopen();
    all.insert(all.end(), line.begin(), line.end());
    EXPECT_EQ(rig_.content(c(), "copy"), all);
}

TEST_F(SharingTest, WhatCannotBeSharedIsRefusedAsPosixSays) {
    rig_.put(c(), "a", rig_.noise(100'000));
    EXPECT_EQ(copy_part("a", 0, "a", 50'000, 60'000).error().code(), Errc::kInvalid);
    EXPECT_EQ(must(copy_part("a", 0, "a", 60'000, 60'000)), 60'000u);
    EXPECT_EQ(must(copy_part("a", 500'000, "a", 0, 10'000)), 0u);
    const NodeId other = rig_.container("other");
    auto from = open("a"), to = rig_.create(other, "b");
    EXPECT_EQ(tree().copy_range({}, *from, 0, *to, 0, 100'000).error().code(), Errc::kCrossDevice);
    auto reader = must(tree().open(node("a"), {.read = true}));
    EXPECT_EQ(tree().copy_range({}, *from, 0, *reader, 0, 100).error().code(), Errc::kBadHandle);
    for (const auto& file : {from, to, reader}) tree().release(file);
}

TEST_F(SharingTest, TheTargetHasANewVersionAndTheSourceKeepsItsOwn) {
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    const auto etag = [&](const char* name) {
        return must(tree().open_object(local, "c", {name}))->etag();
    };
    rig_.put(c(), "a", rig_.noise(100'000));
    rig_.put(c(), "b", rig_.noise(100'000));
    const ETag a = etag("a"), b = etag("b");
    must(copy_part("a", 0, "b", 0, 50'000));
    EXPECT_EQ(etag("a"), a);
    EXPECT_NE(etag("b"), b);
}

TEST_F(SharingTest, ACopyAtTheEndIsFollowedAndOneInsideCuts) {
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    rig_.put(c(), "a", rig_.noise(100'000));
    auto from = open("a"), to = rig_.create(c(), "live");
    must(tree().write({}, *to, 0, rig_.noise(10'000)));
    auto reader = must(tree().open_object(local, "c", {"live"}));
    int woken = 0;
    auto token = reader->wait_beyond(10'000, [&] { ++woken; });
    must(tree().copy_range({}, *from, 0, *to, 10'000, 100'000));
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(reader->state().growing);
    EXPECT_EQ(reader->state().size, 110'000u);
    must(tree().copy_range({}, *from, 0, *to, 0, 20'000));
    EXPECT_TRUE(reader->state().cut);
    tree().release(from);
    tree().release(to);
}

TEST_F(SharingTest, ReadersOfAnOldVersionKeepItsBytes) {
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    const auto bytes = rig_.noise(300'000);
    rig_.put(c(), "a", bytes);
    copy("a", "b");
    auto reader = must(tree().open_object(local, "c", {"b"}));
    must(tree().unlink(c(), "a"));
    truncate("b", 0);
    must(tree().sync());
    Pins pins;
    must(reader->read(0, bytes.size(), pins));
    Content read;
    for (const auto& pin : pins) read.insert(read.end(), pin.bytes.begin(), pin.bytes.end());
    EXPECT_EQ(read, bytes);
}

TEST_F(SharingTest, LargeCopiesAndDeletesGoInSteps) {
    const auto bytes = put_fragmented("a", 700);
    copy("a", "b");
    expect_sound();
    EXPECT_EQ(rig_.content(c(), "b"), bytes);
    must(tree().unlink(c(), "a"));
    expect_sound("one unlinked");
    must(tree().unlink(c(), "b"));
    expect_sound("both unlinked");
    rig_.reopen();  // closes the pack,
    rig_.reopen();  // and removes it
    EXPECT_EQ(pack_bytes(), 0u);
}

/// A copy whose source nobody has synced, then the power goes: the copy is a prefix of the source,
/// which itself is one, and no byte is wrong.
TEST_F(SharingTest, ACopyNeverNamesContentThatPowerLossTakes) {
    for (int round = 0; round < 18; ++round) {
        StoreRig rig(random_);
        const NodeId c = rig.container();
        const auto bytes = rig.noise(400'000);
        rig.put(c, "a", bytes);
        const auto old = rig.noise(200'000);
        rig.put(c, "b", old);
        must(rig.tree().sync());
        write_unsynced(rig, c, bytes);
        rig.crash(test::kEveryCrash[static_cast<std::size_t>(round) % test::kEveryCrash.size()]);
        const auto found = must(rig.volume().audit());
        EXPECT_TRUE(found.empty()) << found.front();
        const auto prefix = [](const Content& part, const Content& whole) {
            return part.size() <= whole.size() &&
                   std::equal(part.begin(), part.end(), whole.begin());
        };
        Content grown = bytes;
        grown.insert(grown.end(), more_.begin(), more_.end());
        const auto a = rig.content(rig.container(), "a");
        EXPECT_GE(a.size(), bytes.size());
        EXPECT_TRUE(prefix(a, grown));
        Content patched = old;
        std::copy(more_.begin(), more_.begin() + 100'000, patched.begin() + 50'000);
        const auto b = rig.content(rig.container(), "b");
        EXPECT_TRUE(b == old || b == patched);
        if (auto made = rig.tree().lookup(rig.container(), "d")) {
            EXPECT_TRUE(prefix(rig.content(made->node), grown));
        }
    }
}

/// The power goes at the n-th call of the disk, for many n, while a file of many slices is copied
/// and then removed: counts are right whatever step was the last.
TEST_F(SharingTest, CountsAreRightWhereverACopyOrADeleteStops) {
    const auto bytes = put_fragmented("a", 600);
    must(tree().sync());
    rig_.close();
    const auto disk = rig_.disk().kill();
    std::uint64_t last = 0;
    bool ended = false;
    for (std::uint64_t n = 1; !ended; n += 1 + last / 12 + random_.below(3)) {
        last = n;
        rig_.replace_disk(disk->kill());
        auto from = open("a"), to = rig_.create(c(), "b");
        rig_.disk().cut_power_at(n);
        bool copied = false;
        std::uint64_t done_bytes = 0;
        while (done_bytes < bytes.size()) {
            auto step = tree().copy_range({}, *from, done_bytes, *to, done_bytes, UINT64_MAX);
            if (!step) break;
            done_bytes += *step;
        }
        copied = done_bytes == bytes.size();
        const bool unlinked = copied && tree().unlink(c(), "a").ok();
        tree().release(from);
        tree().release(to);
        ended = unlinked && rig_.volume().degraded().empty() && tree().sync().ok();
        rig_.crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())]);
        expect_sound("power gone at call " + std::to_string(n));
        if (HasFailure()) return;
        const auto a = tree().lookup(c(), "a");
        const auto b = tree().lookup(c(), "b");
        ASSERT_TRUE(a.ok() || (unlinked && b.ok())) << n;
        if (a) {
            ASSERT_EQ(rig_.content(a->node), bytes) << n;
        }
        if (!b) continue;
        const auto found = rig_.content(b->node);
        ASSERT_TRUE(found.size() <= bytes.size() &&
                    std::equal(found.begin(), found.end(), bytes.begin()))
            << n;
        if (!a) {
            ASSERT_EQ(found.size(), bytes.size()) << n;
        }
    }
}

/// Random operations on a few files against what they should hold, with reopens, kills, and power
/// cuts. Before a cut everything is synced, or not: then only what nobody touched since is certain.
TEST_F(SharingTest, AgreesWithAReferenceThroughStopsKillsAndPowerCuts) {
    std::map<std::string, Content> files;
    std::map<std::string, bool> touched;  // since the last sync
    const std::vector<std::string> names{"a", "b", "d"};
    const auto adopt = [&](const std::string& name) {
        auto found = tree().lookup(c(), name);
        if (found)
            files[name] = rig_.content(found->node);
        else
            files.erase(name);
    };
    for (int step = 0; step < 400; ++step) {
        SCOPED_TRACE("step " + std::to_string(step));
        const std::string& name = names[random_.below(names.size())];
        const std::string& other = names[random_.below(names.size())];
        const std::uint64_t size = files.contains(name) ? files[name].size() : 0;
        if (!files.contains(name)) {
            files[name] = rig_.noise(random_.below(200'000));
            rig_.put(c(), name, files[name]);
            touched[name] = true;
            continue;
        }
        const std::uint64_t offset = random_.below(size + 10'000);
        const std::uint64_t length = 1 + random_.below(random_.one_in(3) ? 9'000 : 120'000);
        Content& content = files[name];
        switch (random_.below(12)) {
            case 0:
            case 1: {
                const auto bytes = rig_.noise(length);
                write(name, offset, bytes);
                content.resize(std::max<std::size_t>(content.size(), offset + length));
                std::copy(bytes.begin(), bytes.end(),
                          content.begin() + static_cast<std::ptrdiff_t>(offset));
                touched[name] = true;
                break;
            }
            case 2:
                truncate(name, offset);
                content.resize(offset);
                touched[name] = true;
                break;
            case 3:
                punch(name, offset, length);
                for (std::uint64_t i = offset; i < std::min(offset + length, size); ++i)
                    content[i] = std::byte{0};
                touched[name] = true;
                break;
            case 4:
                if (random_.one_in(3)) {
                    must(tree().unlink(c(), name));
                    files.erase(name);
                    touched[name] = true;
                }
                break;
            case 5:
                must(tree().sync());
                touched.clear();
                if (random_.one_in(2)) {
                    rig_.crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())]);
                    expect_sound("synced, then the power went");
                }
                break;
            case 6:
                if (random_.one_in(2))
                    rig_.kill();
                else
                    rig_.reopen();
                expect_sound("stopped");
                break;
            case 7:
                rig_.crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())]);
                expect_sound("the power went");
                for (const auto& each : names)
                    if (touched[each]) adopt(each);
                break;
            default: {
                if (!files.contains(other)) break;
                const Content source = files[other];
                const std::uint64_t from = random_.below(source.size() + 1);
                const std::uint64_t n = std::min<std::uint64_t>(length, source.size() - from);
                if (name == other && from < offset + n && offset < from + n) break;
                ASSERT_EQ(must(copy_part(other, from, name, offset, length)), n);
                if (n == 0) break;
                content.resize(std::max<std::size_t>(content.size(), offset + n));
                std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(from), n,
                            content.begin() + static_cast<std::ptrdiff_t>(offset));
                touched[name] = true;
            }
        }
        for (const auto& [each, expected] : files)
            ASSERT_EQ(rig_.content(c(), each), expected) << each;
        if (step % 16 == 0) expect_sound();
        if (HasFailure()) return;
    }
    for (const auto& name : names)
        if (files.contains(name)) must(tree().unlink(c(), name));
    rig_.reopen();
    expect_sound("all unlinked");
    rig_.reopen();
    EXPECT_EQ(pack_bytes(), 0u);
}

/// Pieces of 16 KiB, the first 5,000 bytes of each written, the rest shared, at once: neither takes
/// bytes of the other's, though they meet inside a block.
TEST_F(SharingTest, WritesAndCopiesThatMeetInABlockKeepEachOthersBytes) {
    constexpr std::size_t kPieces = 60, kPiece = 16 * KiB, kWritten = 5'000;
    rig_.background_ms = 5;
    rig_.reopen();
    const auto bytes = rig_.noise(kPieces * kPiece), patch = rig_.noise(kPieces * kPiece);
    rig_.put(c(), "a", bytes);
    rig_.put(c(), "b", rig_.noise(kPieces * kPiece));
    auto from = open("a"), to = open("b");
    {
        std::jthread writer([&] {
            for (std::size_t i = 0; i < kPieces; ++i) {
                must(tree().write({}, *to, i * kPiece,
                                  std::span(patch).subspan(i * kPiece, kWritten)));
                if (i % 3 == 0) must(tree().flush(*to));
            }
        });
        std::jthread appender([&] {
            auto again = open("a");
            for (std::size_t i = 0; i < kPieces; ++i) {
                must(tree().write({}, *again, bytes.size() + i * 1'000,
                                  std::span(patch).first(1'000)));
                must(tree().flush(*again));
            }
            tree().release(again);
        });
        for (std::size_t i = 0; i < kPieces; ++i)
            EXPECT_EQ(must(tree().copy_range({}, *from, i * kPiece + kWritten, *to,
                                             i * kPiece + kWritten, kPiece - kWritten)),
                      kPiece - kWritten);
    }
    must(tree().flush(*to));
    tree().release(from);
    tree().release(to);
    Content expected = bytes;
    for (std::size_t i = 0; i < kPieces; ++i)
        std::copy_n(patch.begin() + static_cast<std::ptrdiff_t>(i * kPiece), kWritten,
                    expected.begin() + static_cast<std::ptrdiff_t>(i * kPiece));
    EXPECT_EQ(rig_.content(c(), "b"), expected);
    rig_.background_ms = 0;
    rig_.reopen();
    EXPECT_EQ(rig_.content(c(), "b"), expected);
    expect_sound();
}

}  // namespace
}  // namespace reelfs::core
