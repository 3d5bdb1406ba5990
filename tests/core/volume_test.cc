// The tree over a simulated disk: what users do, and what is left after a stop, a kill and a power
// cut.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/test_store.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {
namespace {

using limits::MiB;
using test::Crash;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class VolumeTest : public ::testing::Test {
  protected:
    SeededRandom random_;
};

TEST_F(VolumeTest, TheTimeOfBirthIsKept) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    rig.put(c, "f", rig.noise(5'000));
    const Timestamp born = must(rig.tree().lookup(c, "f")).created;
    EXPECT_EQ(born, rig.clock().now());
    rig.clock().advance_ms(1'000);
    const NodeId node = must(rig.tree().lookup(c, "f")).node;
    auto file = must(rig.tree().open(node, {.read = true, .write = true}));
    must(rig.tree().write({}, *file, 2'000, rig.noise(5'000)));
    rig.tree().release(file);
    AttributeChange change;
    change.mode = 0600;
    change.size = 3'000;
    change.modified_now = change.accessed_now = true;
    must(rig.tree().change({}, node, change));
    must(rig.tree().set_xattr(node, "user.a", bytes_of("1"), XattrMode::kSet));
    must(rig.tree().link(node, c, "other"));
    must(rig.tree().rename(c, "f", c, "g", RenameMode::kReplace));
    const Attributes now = must(rig.tree().lookup(c, "g"));
    EXPECT_EQ(now.created, born);
    EXPECT_GT(now.modified, born);
    rig.reopen();
    EXPECT_EQ(must(rig.tree().lookup(c, "g")).created, born);
}

TEST_F(VolumeTest, WhatIsWrittenIsReadBackAtOnceAndAfterAReopen) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (std::size_t size : {1u, 100u, 4096u, 16384u, 16385u, 100'000u, 3'000'000u}) {
        const auto bytes = rig.noise(size);
        const std::string name = "f" + std::to_string(size);
        rig.put(c, name, bytes);
        EXPECT_EQ(rig.content(c, name), bytes);
    }
    std::map<std::string, std::vector<std::byte>> before;
    for (std::size_t size : {1u, 100u, 4096u, 16384u, 16385u, 100'000u, 3'000'000u})
        before["f" + std::to_string(size)] = rig.content(c, "f" + std::to_string(size));
    rig.reopen();
    for (const auto& [name, bytes] : before) EXPECT_EQ(rig.content(c, name), bytes) << name;
    EXPECT_TRUE(rig.volume().open_report().empty());
}

TEST_F(VolumeTest, AStreamLargerThanTheDirtyBudgetKeepsEveryByte) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    auto file = rig.create(c, "stream");
    const auto piece = rig.noise(MiB);
    for (std::uint64_t i = 0; i < 60; ++i) must(rig.tree().write({}, *file, i * MiB, piece));
    must(rig.tree().fsync(*file));
    rig.tree().release(file);
    const auto all = rig.content(c, "stream");
    ASSERT_EQ(all.size(), 60 * MiB);
    for (std::uint64_t i = 0; i < 60; ++i)
        ASSERT_EQ(std::memcmp(all.data() + i * MiB, piece.data(), MiB), 0) << i;
}

TEST_F(VolumeTest, AHoleReadsAsZerosAndIsSkippedBySeek) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    auto file = rig.create(c, "sparse");
    const auto bytes = rig.noise(1000);
    must(rig.tree().write({}, *file, 5 * MiB, bytes));
    EXPECT_EQ(must(rig.tree().seek(*file, SeekTo::kData, 0)), 5 * MiB);
    must(rig.tree().flush(*file));
    EXPECT_EQ(must(rig.tree().seek(*file, SeekTo::kData, 0)), 5 * MiB);
    EXPECT_EQ(must(rig.tree().seek(*file, SeekTo::kHole, 0)), 0u);
    EXPECT_EQ(must(rig.tree().seek(*file, SeekTo::kHole, 5 * MiB)), 5 * MiB + 1000);
    rig.tree().release(file);
    const auto all = rig.content(c, "sparse");
    ASSERT_EQ(all.size(), 5 * MiB + 1000);
    EXPECT_TRUE(std::all_of(all.begin(), all.begin() + 5 * MiB,
                            [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_LT(must(rig.tree().lookup(c, "sparse")).allocated_bytes, MiB);
}

TEST_F(VolumeTest, TruncateCutsAndWhatGrowsBackIsZero) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    rig.put(c, "f", rig.noise(100'000));
    const NodeId node = must(rig.tree().lookup(c, "f")).node;
    const auto before = rig.content(node);
    must(rig.tree().change(
        {}, node,
        {.mode = {}, .uid = {}, .gid = {}, .size = 1234, .accessed = {}, .modified = {}}));
    must(rig.tree().change(
        {}, node,
        {.mode = {}, .uid = {}, .gid = {}, .size = 5000, .accessed = {}, .modified = {}}));
    const auto after = rig.content(node);
    ASSERT_EQ(after.size(), 5000u);
    EXPECT_EQ(std::memcmp(after.data(), before.data(), 1234), 0);
    EXPECT_TRUE(std::all_of(after.begin() + 1234, after.end(),
                            [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(VolumeTest, AContainerIsToldToTheMountWhichIsWaitedForOnlyByOthers) {
    StoreRig rig(random_);
    test::Listener listener;
    rig.tree().set_change_listener(&listener);
    rig.container("live");
    must(rig.tree().delete_container("live"));
    EXPECT_EQ(listener.told, "live | live | ");
    listener.told.clear();
    must(rig.tree().make_directory({}, kRootNode, "vod", 0755));
    must(rig.tree().remove_directory(kRootNode, "vod"));
    EXPECT_EQ(listener.told, "vod vod ") << "the kernel holds the folder locked meanwhile";
    rig.tree().set_change_listener(nullptr);
}

TEST_F(VolumeTest, AContainerHasBlocksOfTheDefaultSizeUnlessAskedOtherwise) {
    StoreRig rig(random_);
    rig.container("usual");
    EXPECT_EQ(must(rig.tree().container("usual")).block_bytes, 1u << limits::block_shift_default);
    must(rig.tree().create_container({}, "own",
                                     {.mode = 0755, .block_bytes = 65'536, .profile = {}}));
    EXPECT_EQ(must(rig.tree().container("own")).block_bytes, 65'536u);
}

TEST_F(VolumeTest, AContainerSurvivesEveryPowerCut) {
    for (Crash choice : test::kEveryCrash) {
        StoreRig rig(random_);
        rig.container("live");
        rig.crash(choice);
        EXPECT_TRUE(rig.tree().container("live").ok());
    }
}

TEST_F(VolumeTest, CloseSurvivesAKill) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    std::map<std::string, std::vector<std::byte>> written;
    for (int i = 0; i < 20; ++i) {
        const std::string name = "f" + std::to_string(i);
        written[name] = rig.noise(1 + random_.below(50'000));
        rig.put(c, name, written[name]);
    }
    rig.kill();
    for (const auto& [name, bytes] : written)
        EXPECT_EQ(rig.content(rig.container(), name), bytes) << name;
}

TEST_F(VolumeTest, FsyncSurvivesEveryPowerCut) {
    for (Crash choice : test::kEveryCrash) {
        StoreRig rig(random_);
        const NodeId c = rig.container();
        const auto bytes = rig.noise(300'000);
        auto file = rig.create(c, "kept");
        must(rig.tree().write({}, *file, 0, bytes));
        must(rig.tree().fsync(*file));
        const auto more = rig.noise(50'000);
        must(rig.tree().write({}, *file, bytes.size(), more));  // never promised
        must(rig.tree().flush(*file));
        rig.tree().release(file);
        rig.crash(choice);
        const auto left = rig.content(rig.container(), "kept");
        ASSERT_GE(left.size(), bytes.size()) << static_cast<int>(choice);
        EXPECT_EQ(std::memcmp(left.data(), bytes.data(), bytes.size()), 0);
        ASSERT_LE(left.size(), bytes.size() + more.size());
        EXPECT_EQ(std::memcmp(left.data() + bytes.size(), more.data(), left.size() - bytes.size()),
                  0)
            << "wrong bytes beyond what was promised";
    }
}

TEST_F(VolumeTest, ARenameOverLeavesTheOldOrTheNewContentWhole) {
    for (int round = 0; round < 12; ++round) {
        StoreRig rig(random_);
        const NodeId c = rig.container();
        const auto old_bytes = rig.noise(40'000), new_bytes = rig.noise(90'000);
        rig.put(c, "playlist", old_bytes);
        must(rig.tree().sync());
        rig.put(c, "playlist.tmp", new_bytes);
        must(rig.tree().rename(c, "playlist.tmp", c, "playlist", RenameMode::kReplace));
        rig.crash(test::kEveryCrash[static_cast<std::size_t>(round) % test::kEveryCrash.size()]);
        const auto left = rig.content(rig.container(), "playlist");
        EXPECT_TRUE(left == old_bytes || left == new_bytes) << left.size();
    }
}

TEST_F(VolumeTest, AnOverwriteThatWasNotPromisedNeverTakesWhatWas) {
    for (int round = 0; round < 12; ++round) {
        StoreRig rig(random_);
        const NodeId c = rig.container();
        auto bytes = rig.noise(200'000);
        auto file = rig.create(c, "f");
        must(rig.tree().write({}, *file, 0, bytes));
        must(rig.tree().fsync(*file));
        const auto patch = rig.noise(30'000);
        const std::uint64_t at = random_.below(150'000);
        must(rig.tree().write({}, *file, at, patch));
        must(rig.tree().flush(*file));
        rig.tree().release(file);
        rig.crash(test::kEveryCrash[static_cast<std::size_t>(round) % test::kEveryCrash.size()]);
        const auto left = rig.content(rig.container(), "f");
        auto patched = bytes;
        std::copy(patch.begin(), patch.end(), patched.begin() + static_cast<long>(at));
        EXPECT_TRUE(left == bytes || left == patched);
    }
}

TEST_F(VolumeTest, AnUnlinkedFileStaysReadableUntilItsLastHandleGoes) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto bytes = rig.noise(500'000);
    rig.put(c, "f", bytes);
    auto file =
        must(rig.tree().open(must(rig.tree().lookup(c, "f")).node, {.read = true, .write = true}));
    must(rig.tree().unlink(c, "f"));
    EXPECT_EQ(rig.tree().lookup(c, "f").error().code(), Errc::kNotFound);
    std::vector<std::byte> out(bytes.size());
    EXPECT_EQ(must(rig.tree().read(*file, 0, out)), bytes.size());
    EXPECT_EQ(out, bytes);
    must(rig.tree().write({}, *file, 10, std::span(bytes).first(10)));
    must(rig.tree().flush(*file));
    EXPECT_EQ(must(rig.tree().attributes(rig.tree().node_of(*file))).links, 0u);
    rig.tree().release(file);
    rig.reopen();
    EXPECT_EQ(must(rig.tree().space()).nodes, 2u);  // the root and the container
}

TEST_F(VolumeTest, DeletedFilesGiveTheirRoomBack) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (int i = 0; i < 5; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(20 * MiB));
    for (int i = 0; i < 200; ++i) rig.put(c, "s" + std::to_string(i), rig.noise(20'000));
    rig.reopen();
    const std::uint64_t full = must(rig.tree().space()).free_bytes;
    for (int i = 0; i < 5; ++i) must(rig.tree().unlink(rig.container(), "f" + std::to_string(i)));
    for (int i = 0; i < 200; ++i) must(rig.tree().unlink(rig.container(), "s" + std::to_string(i)));
    rig.reopen();
    rig.reopen();
    EXPECT_GT(must(rig.tree().space()).free_bytes, full + 100 * MiB);
    auto packs = must(rig.disk().list("/data/store/packs"));
    std::size_t files = 0;
    for (const auto& bucket : packs)
        files += must(rig.disk().list("/data/store/packs/" + bucket)).size();
    EXPECT_EQ(files, 0u);
}

TEST_F(VolumeTest, ManySmallSyncedAppendsStayCorrectAndAreGatheredIntoPacks) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    auto file = rig.create(c, "log");
    std::vector<std::byte> all;
    for (int i = 0; i < 200; ++i) {
        const auto line = rig.noise(1 + random_.below(3000));
        must(rig.tree().write({}, *file, all.size(), line));
        must(rig.tree().fsync(*file));
        all.insert(all.end(), line.begin(), line.end());
    }
    rig.tree().release(file);
    EXPECT_EQ(rig.content(c, "log"), all);
    rig.crash(Crash::kSynced);
    EXPECT_EQ(rig.content(rig.container(), "log"), all);
}

TEST_F(VolumeTest, NamesFollowPosix) {
    StoreRig rig(random_);
    Tree& tree = rig.tree();
    const NodeId c = rig.container(), d = rig.container("d");
    EXPECT_EQ(tree.create({}, kRootNode, "f", 0644, {.write = true}).error().code(),
              Errc::kNotPermitted);
    EXPECT_EQ(tree.make_directory({}, kRootNode, "bad name", 0755).error().code(), Errc::kInvalid);
    const auto sub = must(tree.make_directory({}, c, "sub", 0755));
    const auto deep = must(tree.make_directory({}, sub.node, "deep", 0755));
    EXPECT_EQ(must(tree.attributes(c)).links, 3u);
    rig.put(c, "a", rig.noise(10));
    rig.put(c, "b", rig.noise(20));
    EXPECT_EQ(tree.rename(c, "a", d, "a", RenameMode::kReplace).error().code(), Errc::kCrossDevice);
    EXPECT_EQ(tree.rename(c, "sub", deep.node, "x", RenameMode::kReplace).error().code(),
              Errc::kInvalid);
    EXPECT_EQ(tree.rename(c, "a", c, "b", RenameMode::kNoReplace).error().code(), Errc::kExists);
    EXPECT_EQ(tree.rename(c, "a", c, "sub", RenameMode::kReplace).error().code(),
              Errc::kIsDirectory);
    EXPECT_EQ(tree.rename(c, "sub", c, "a", RenameMode::kReplace).error().code(),
              Errc::kNotDirectory);
    EXPECT_EQ(tree.remove_directory(c, "sub").error().code(), Errc::kNotEmpty);
    must(tree.rename(c, "a", c, "b", RenameMode::kExchange));
    EXPECT_EQ(must(tree.lookup(c, "a")).size, 20u);
    must(tree.rename(c, "a", c, "b", RenameMode::kReplace));
    EXPECT_EQ(must(tree.lookup(c, "b")).size, 20u);
    must(tree.link(must(tree.lookup(c, "b")).node, sub.node, "again"));
    EXPECT_EQ(must(tree.lookup(c, "b")).links, 2u);
    must(tree.unlink(c, "b"));
    EXPECT_EQ(must(tree.lookup(sub.node, "again")).links, 1u);
    must(tree.rename(sub.node, "deep", c, "moved", RenameMode::kReplace));
    EXPECT_EQ(must(tree.parent_of(deep.node)), c);
    EXPECT_EQ(must(tree.attributes(sub.node)).links, 2u);
    EXPECT_EQ(tree.delete_container("c").error().code(), Errc::kNotEmpty);
    must(tree.delete_container("d"));
    EXPECT_EQ(tree.lookup(kRootNode, "d").error().code(), Errc::kNotFound);
    rig.reopen();
    EXPECT_EQ(rig.content(must(rig.tree().resolve(kRootNode, {"c", "sub", "again"})).node).size(),
              20u);
}

TEST_F(VolumeTest, AListingShowsEveryEntryOnceWhileOthersComeAndGo) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (int i = 0; i < 500; ++i) rig.put(c, "n" + std::to_string(i), {});
    auto directory = must(rig.tree().open_directory(c));
    std::map<std::string, int> seen;
    std::uint64_t offset = 0;
    for (bool more = true; more;) {
        int taken = 0;
        more = false;
        must(rig.tree().list(*directory, offset, random_.one_in(2), [&](const Tree::Listed& entry) {
            if (++taken > 7) return false;
            ++seen[std::string(entry.name)];
            offset = entry.next_offset;
            more = true;
            return true;
        }));
        const std::string gone = "x" + std::to_string(random_.below(1000));
        if (rig.tree().lookup(c, gone))
            must(rig.tree().unlink(c, gone));
        else
            rig.put(c, gone, {});
    }
    for (int i = 0; i < 500; ++i) EXPECT_EQ(seen["n" + std::to_string(i)], 1) << i;
    EXPECT_EQ(seen["."], 1);
    EXPECT_EQ(seen[".."], 1);
}

TEST_F(VolumeTest, AGrowingFileIsFollowedAndCutWhenItsPastChanges) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    auto file = rig.create(c, "live.ts");
    must(rig.tree().write({}, *file, 0, rig.noise(1000)));
    auto reader = must(rig.tree().open_object(local, "c", {"live.ts"}));
    EXPECT_TRUE(reader->state().growing);
    EXPECT_TRUE(reader->etag().none());
    EXPECT_EQ(reader->state().size, 1000u);
    int woken = 0;
    auto token = reader->wait_beyond(1000, [&] { ++woken; });
    EXPECT_EQ(woken, 0);
    must(rig.tree().write({}, *file, 1000, rig.noise(500)));
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(reader->state().size, 1500u);
    token = reader->wait_beyond(1500, [&] { ++woken; });
    must(rig.tree().write({}, *file, 0, rig.noise(10)));
    EXPECT_EQ(woken, 2);
    EXPECT_TRUE(reader->state().cut);
    rig.tree().release(file);
    auto finished = must(rig.tree().open_object(local, "c", {"live.ts"}));
    EXPECT_FALSE(finished->state().growing);
    EXPECT_FALSE(finished->etag().none());
}

std::vector<std::byte> text_of(ObjectReader& reader, std::uint64_t offset, std::size_t length) {
    Pins pins;
    must(reader.read(offset, length, pins));
    std::vector<std::byte> bytes;
    for (const auto& pin : pins) bytes.insert(bytes.end(), pin.bytes.begin(), pin.bytes.end());
    return bytes;
}

TEST_F(VolumeTest, AFinishedObjectIsASnapshot) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    const auto bytes = rig.noise(400'000);
    rig.put(c, "f", bytes);
    auto reader = must(rig.tree().open_object(local, "c", {"f"}));
    auto file =
        must(rig.tree().open(must(rig.tree().lookup(c, "f")).node, {.read = true, .write = true}));
    must(rig.tree().write({}, *file, 0, rig.noise(400'000)));
    must(rig.tree().fsync(*file));
    rig.tree().release(file);
    must(rig.tree().unlink(c, "f"));
    EXPECT_EQ(text_of(*reader, 0, bytes.size()), bytes);
    EXPECT_EQ(rig.tree().open_object({}, "c", {"f"}).error().code(), Errc::kAccessDenied);
    EXPECT_EQ(rig.tree().open_object(local, "c", {"f"}).error().code(), Errc::kNotFound);
}

// One slow download of a film once kept all that was deleted in the store on the disk until it
// ended.
TEST_F(VolumeTest, ALongReaderThatRenewsKeepsOnlyWhatItReadsOnTheDisk) {
    StoreRig rig(random_);
    rig.background_ms = 5;
    rig.reopen();
    const NodeId c = rig.container();
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    const auto bytes = rig.noise(400'000);
    rig.put(c, "film", bytes);
    rig.put(c, "live", rig.noise(400'000));
    auto film = must(rig.tree().open_object(local, "c", {"film"}));
    auto live = must(rig.tree().open_object(local, "c", {"live"}));
    ASSERT_TRUE(live->renew());
    // Overwritten in place, so that what is freed is punched out of packs that stay.
    auto change = [&](std::string_view name) {
        auto file = must(rig.tree().open(must(rig.tree().lookup(c, name)).node, {.write = true}));
        must(rig.tree().write({}, *file, 0, rig.noise(200'000)));
        must(rig.tree().fsync(*file));
        rig.tree().release(file);
    };
    change("live");
    EXPECT_FALSE(live->renew()) << "others get another version";
    live.reset();
    const std::uint64_t before = rig.disk().calls(test::DiskCall::kPunch);
    while (rig.disk().calls(test::DiskCall::kPunch) == before) {
        rig.clock().advance_ms(10);
        ASSERT_TRUE(film->renew());
        std::this_thread::yield();
    }
    EXPECT_EQ(text_of(*film, 0, bytes.size()), bytes);
    must(rig.tree().unlink(c, "film"));
    EXPECT_FALSE(film->renew()) << "it has no name";
    EXPECT_EQ(text_of(*film, 0, bytes.size()), bytes);
}

TEST_F(VolumeTest, AReaderGoesWhereItsContentGoes) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    const auto bytes = rig.noise(400'000);
    rig.put(c, "a", bytes);
    auto reader = must(rig.tree().open_object(local, "c", {"a"}));
    // A copy that shares the content changes the map, and no byte.
    auto from = must(rig.tree().open(must(rig.tree().lookup(c, "a")).node, {.read = true}));
    auto to = rig.create(c, "b");
    EXPECT_EQ(must(rig.tree().copy_range({}, *from, 0, *to, 0, bytes.size())), bytes.size());
    rig.tree().release(from);
    rig.tree().release(to);
    EXPECT_TRUE(reader->renew());
    EXPECT_EQ(text_of(*reader, 0, bytes.size()), bytes);
    // A follower is where the file is until that has no name.
    auto file = rig.create(c, "grows");
    must(rig.tree().write({}, *file, 0, Bytes(bytes).first(100)));
    auto follower = must(rig.tree().open_object(local, "c", {"grows"}));
    ASSERT_TRUE(follower->state().growing);
    EXPECT_TRUE(follower->renew());
    must(rig.tree().unlink(c, "grows"));
    rig.tree().release(file);
    EXPECT_FALSE(follower->renew());
}

// What memory answers must be what the catalog would: after every kind of change of a name or of
// rights.
TEST_F(VolumeTest, ObjectsOpenedFromMemoryFollowEveryChange) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    Tree& tree = rig.tree();
    const auto set_mode = [&](NodeId node, std::uint32_t mode) {
        AttributeChange change;
        change.mode = mode;
        must(tree.change({}, node, change));
    };
    const NodeId folder = must(tree.make_directory({}, c, "d", 0755)).node;
    const auto cached = [&](const Components& path) {
        return tree.open_object_cached(local, "c", path);
    };
    const auto one = rig.noise(40'000), two = rig.noise(50'000);
    rig.put(folder, "a", one);
    rig.put(folder, "b", two);
    EXPECT_EQ(cached({"d", "a"}), nullptr) << "nothing has been asked for yet";
    must(tree.open_object(local, "c", {"d", "a"}));
    must(tree.open_object(local, "c", {"d", "b"}));
    auto reader = cached({"d", "a"});
    ASSERT_NE(reader, nullptr);
    EXPECT_EQ(text_of(*reader, 100, 39'000), std::vector(one.begin() + 100, one.begin() + 39'100));
    Pins pins;
    EXPECT_TRUE(reader->read_cached(0, 40'000, pins));
    EXPECT_FALSE(reader->read_cached(0, 40'001, pins));
    EXPECT_EQ(tree.open_object_cached({}, "c", {"d", "a"}), nullptr);

    must(tree.rename(folder, "b", folder, "a", RenameMode::kReplace));
    EXPECT_EQ(cached({"d", "b"}), nullptr);
    auto replaced = must(tree.open_object(local, "c", {"d", "a"}));
    EXPECT_EQ(text_of(*replaced, 0, 50'000), two);
    EXPECT_EQ(text_of(*reader, 0, 40'000), one) << "a snapshot stays what it is";
    ASSERT_NE(cached({"d", "a"}), nullptr);
    EXPECT_EQ(cached({"d", "a"})->etag().hex(), replaced->etag().hex());

    const NodeId a = replaced->attributes().node;
    must(tree.set_xattr(a, "user.mime_type", bytes_of("video/x"), XattrMode::kSet));
    EXPECT_EQ(cached({"d", "a"}), nullptr);
    EXPECT_EQ(must(tree.open_object(local, "c", {"d", "a"}))->mime_type(), "video/x");
    EXPECT_EQ(cached({"d", "a"})->mime_type(), "video/x");
    must(tree.remove_xattr(a, "user.mime_type"));
    EXPECT_EQ(must(tree.open_object(local, "c", {"d", "a"}))->mime_type(), "");

    set_mode(a, 0640);
    EXPECT_EQ(cached({"d", "a"}), nullptr);
    set_mode(a, 0644);
    EXPECT_NE(cached({"d", "a"}), nullptr);
    set_mode(folder, 0700);
    EXPECT_EQ(cached({"d", "a"}), nullptr);
    set_mode(folder, 0755);

    auto file = must(tree.open(a, {.write = true}));
    must(tree.write({}, *file, 0, rig.noise(1'000)));
    EXPECT_EQ(cached({"d", "a"}), nullptr) << "it has bytes that are not committed";
    must(tree.fsync(*file));
    tree.release(file);
    EXPECT_NE(cached({"d", "a"}), nullptr);
    must(tree.rename(c, "d", c, "e", RenameMode::kReplace));
    EXPECT_EQ(cached({"d", "a"}), nullptr);
    must(tree.open_object(local, "c", {"e", "a"}));
    EXPECT_NE(cached({"e", "a"}), nullptr);
    must(tree.unlink(folder, "a"));
    EXPECT_EQ(cached({"e", "a"}), nullptr);
    must(tree.remove_directory(c, "e"));
    must(tree.delete_container("c"));
    EXPECT_EQ(cached({"e", "a"}), nullptr);
}

// Recovery once took an extent for missing because blocks that had been overwritten, and punched in
// the background, no longer opened: it cut the file at bytes that had been promised.
TEST_F(VolumeTest, PunchedBlocksOfAnExtentAreNotTakenForMissingOnes) {
    StoreRig rig(random_);
    rig.background_ms = 1;
    rig.reopen();
    const NodeId c = rig.container();
    constexpr std::size_t kBlock = 16384, kBlocks = 36;
    for (int round = 0; round < 4; ++round) {
        auto bytes = rig.noise(kBlock * kBlocks);
        const std::string name = "f" + std::to_string(round);
        auto file = rig.create(c, name);
        must(rig.tree().write({}, *file, 0, bytes));
        must(rig.tree().fsync(*file));
        for (int i = 0; i < 60; ++i) {
            const std::size_t at = random_.below(kBlocks) * kBlock;
            const auto block = rig.noise(kBlock);
            must(rig.tree().write({}, *file, at, block));
            must(rig.tree().fsync(*file));
            std::copy(block.begin(), block.end(), bytes.begin() + static_cast<long>(at));
            rig.clock().advance_ms(10);
        }
        rig.tree().release(file);
        rig.kill();
        ASSERT_EQ(rig.content(rig.container(), name), bytes);
    }
}

// A reader once found nothing (404) when the file it had resolved was replaced and reaped before it
// could be held.
TEST_F(VolumeTest, APlaylistReplacedInALoopIsThereForEveryReader) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    rig.put(c, "live.m3u8", rig.noise(2000));
    std::atomic<bool> stop{false};
    std::atomic<int> opened{0}, absent{0};
    std::jthread reader([&] {
        while (!stop) {
            if (auto object = rig.tree().open_object(local, "c", {"live.m3u8"}))
                ++opened;
            else
                ++absent;
        }
    });
    const auto bytes = rig.noise(2000);
    for (int i = 0; i < 300; ++i) {
        rig.put(c, "live.tmp", bytes);
        must(rig.tree().rename(c, "live.tmp", c, "live.m3u8", RenameMode::kReplace));
    }
    stop = true;
    reader.join();
    EXPECT_EQ(absent, 0);
    EXPECT_GT(opened, 0);
}

/// Random work on a few files against a model in memory; then a kill or a power cut.
TEST_F(VolumeTest, RandomWorkAgreesWithAModelThroughKillsAndReopens) {
    StoreRig rig(random_);
    NodeId c = rig.container();
    struct Model {
        std::vector<std::byte> now;
    };
    std::map<std::string, Model> model;
    std::map<std::string, std::shared_ptr<OpenFile>> open;
    auto close_all = [&] {
        for (auto& [name, file] : open) {
            must(rig.tree().flush(*file));
            rig.tree().release(file);
        }
        open.clear();
    };
    for (int step = 0; step < 3000; ++step) {
        const std::string name = "f" + std::to_string(random_.below(5));
        if (!model.contains(name)) {
            open[name] = rig.create(c, name);
            model[name] = {};
        }
        if (!open.contains(name))
            open[name] = must(rig.tree().open(must(rig.tree().lookup(c, name)).node,
                                              {.read = true, .write = true}));
        auto& bytes = model[name].now;
        switch (random_.below(12)) {
            case 0:
            case 1:
            case 2:
            case 3: {
                const std::size_t offset =
                    random_.below(4) == 0 ? random_.below(400'000) : bytes.size();
                const auto piece = rig.noise(1 + random_.below(60'000));
                must(rig.tree().write({}, *open[name], offset, piece));
                if (bytes.size() < offset + piece.size()) bytes.resize(offset + piece.size());
                std::copy(piece.begin(), piece.end(), bytes.begin() + static_cast<long>(offset));
                break;
            }
            case 4:
            case 5: {
                const std::size_t offset = random_.below(bytes.size() + 1000);
                std::vector<std::byte> out(random_.below(100'000));
                const std::size_t n = must(rig.tree().read(*open[name], offset, out));
                ASSERT_EQ(n,
                          offset >= bytes.size() ? 0 : std::min(out.size(), bytes.size() - offset));
                ASSERT_EQ(std::memcmp(out.data(), bytes.data() + offset, n), 0) << "step " << step;
                break;
            }
            case 6: {
                const std::size_t size = random_.below(bytes.size() + 5000);
                must(rig.tree().change({}, rig.tree().node_of(*open[name]),
                                       {.mode = {},
                                        .uid = {},
                                        .gid = {},
                                        .size = size,
                                        .accessed = {},
                                        .modified = {}}));
                bytes.resize(size);
                break;
            }
            case 7: {
                const std::size_t offset = random_.below(bytes.size() + 1),
                                  length = 1 + random_.below(50'000);
                must(
                    rig.tree().allocate({}, *open[name], AllocateMode::kPunchHole, offset, length));
                for (std::size_t i = offset; i < std::min(bytes.size(), offset + length); ++i)
                    bytes[i] = std::byte{0};
                break;
            }
            case 8:
                must(rig.tree().fsync(*open[name]));
                break;
            case 9:
                must(rig.tree().flush(*open[name]));
                rig.tree().release(open[name]);
                open.erase(name);
                break;
            case 10:
                if (!random_.one_in(10)) break;
                close_all();
                if (random_.one_in(2))
                    rig.kill();
                else
                    rig.reopen();
                c = rig.container();
                break;
            case 11:
                if (!random_.one_in(4)) break;
                must(rig.tree().flush(*open[name]));
                rig.tree().release(open[name]);
                open.erase(name);
                must(rig.tree().unlink(c, name));
                model.erase(name);
                break;
        }
    }
    close_all();
    for (const auto& [name, file] : model) EXPECT_EQ(rig.content(c, name), file.now) << name;
    rig.reopen();
    for (const auto& [name, file] : model)
        EXPECT_EQ(rig.content(rig.container(), name), file.now) << name;
}

}  // namespace
}  // namespace reelfs::core
