// Backups of a store that has lost something, by a machine that fails: what can be kept is kept,
// what cannot is told, each time.
#include <gtest/gtest.h>

#include <thread>

#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/core/backup.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::DiskCall;
using test::DiskFault;
using test::kBackup;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class BackupLossesTest : public ::testing::Test {
  protected:
    BackupReport back_up(StoreRig& rig, const std::string& directory = kBackup) {
        Job job;
        return must(rig.volume().back_up(directory, job));
    }
    Result<RestoreReport> try_restore(test::SimDisk& disk, const std::string& directory,
                                      const std::string& backup = kBackup) {
        Job job;
        return restore_store({disk, random_, clock_},
                             {.backup = backup, .directory = directory, .unlock = test::test_key()},
                             job);
    }
    std::unique_ptr<Volume> open(test::SimDisk& disk, const std::string& directory) {
        return must(open_store({disk, random_, clock_}, {.directory = directory,
                                                         .unlock = test::test_key(),
                                                         .memory_bytes = 64 << 20,
                                                         .background_barrier_ms = 0}));
    }
    static Result<std::vector<std::byte>> content(Volume& volume, std::string_view container,
                                                  std::string_view name) {
        RF_TRY(const auto c, volume.tree().lookup(kRootNode, container));
        RF_TRY(const auto node, volume.tree().lookup(c.node, name));
        RF_TRY(auto file, volume.tree().open(node.node, {.read = true}));
        std::vector<std::byte> bytes(node.size);
        auto read = volume.tree().read(*file, 0, bytes);
        volume.tree().release(file);
        RF_CHECK(read);
        return bytes;
    }
    /// Of a restored store.
    Result<std::vector<std::byte>> restored(StoreRig& rig, std::string_view name,
                                            const std::string& backup = kBackup) {
        const std::string directory = "/data/restored" + std::to_string(++restored_);
        RF_CHECK(try_restore(rig.disk(), directory, backup));
        auto volume = open(rig.disk(), directory);
        auto bytes = content(*volume, "c", name);
        must(volume->close());
        return bytes;
    }
    static std::string only_pack(StoreRig& rig) {
        const std::string top = "/data/store/packs";
        std::vector<std::string> packs;
        for (const std::string& bucket : must(rig.disk().list(top)))
            for (const std::string& pack : must(rig.disk().list(top + "/" + bucket)))
                packs.push_back(top + "/" + bucket + "/" + pack);
        EXPECT_EQ(packs.size(), 1u);
        return packs.at(0);
    }
    SeededRandom random_;
    test::ManualClock clock_;
    int restored_ = 0;
};

TEST_F(BackupLossesTest, WhatTheStoreHasLostTheBackupKeeps) {
    StoreRig rig(random_);
    const auto film = rig.noise(300'000);
    rig.put(rig.container(), "film", film);
    EXPECT_TRUE(back_up(rig).problems.empty());
    rig.close();
    must(rig.disk().remove(only_pack(rig)));
    rig.open();
    rig.put(rig.container(), "later", film);
    for (int turn = 0; turn < 2; ++turn) {
        const BackupReport report = back_up(rig);
        ASSERT_EQ(report.problems.size(), 1u);
        EXPECT_NE(report.problems[0].find("is missing"), std::string::npos) << report.problems[0];
        EXPECT_NE(report.problems[0].find("keeps"), std::string::npos) << report.problems[0];
    }
    EXPECT_EQ(must(restored(rig, "film")), film);
    EXPECT_EQ(must(restored(rig, "later")), film);
    // Another backup has never had it.
    const BackupReport report = back_up(rig, "/data/another");
    ASSERT_EQ(report.problems.size(), 1u);
    EXPECT_EQ(report.problems[0].find("keeps"), std::string::npos) << report.problems[0];
    EXPECT_FALSE(restored(rig, "film", "/data/another").ok());
    EXPECT_EQ(must(restored(rig, "later", "/data/another")), film);
}

TEST_F(BackupLossesTest, APackCutShortIsTold) {
    StoreRig rig(random_);
    const auto film = rig.noise(300'000);
    rig.put(rig.container(), "film", film);
    back_up(rig);
    rig.close();
    {
        auto file = must(rig.disk().open(only_pack(rig), OpenMode::kCreate));
        must(file->truncate(must(file->size()) / 2));
    }
    rig.open();
    for (const std::string& directory : {kBackup, std::string("/data/another")}) {
        const BackupReport report = back_up(rig, directory);
        ASSERT_EQ(report.problems.size(), 1u) << directory;
        EXPECT_NE(report.problems[0].find("ends at"), std::string::npos) << report.problems[0];
    }
    EXPECT_EQ(must(restored(rig, "film")), film);
}

TEST_F(BackupLossesTest, WhatTheDiskDoesNotGiveIsToldAndTheRestIsCopied) {
    StoreRig rig(random_);
    const auto bytes = rig.noise(300'000);
    for (const char* name : {"first", "second"}) rig.put(rig.container(), name, bytes);
    must(rig.tree().sync());
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        const std::uint64_t sector = 100'000;
        if (call.kind != DiskCall::kRead || !call.path.starts_with("/data/store/packs") ||
            call.offset > sector || call.offset + call.length <= sector)
            return std::nullopt;
        return DiskFault{.code = Errc::kIo};
    });
    const BackupReport report = back_up(rig);
    rig.disk().set_hook({});
    ASSERT_EQ(report.problems.size(), 1u);
    EXPECT_TRUE(report.problems[0].starts_with("4096 bytes of pack")) << report.problems[0];
    EXPECT_EQ(must(restored(rig, "second")), bytes);
    EXPECT_EQ(restored(rig, "first").error().code(), Errc::kCorrupt);
    // The disk gives it again, but this backup has its hole.
    EXPECT_EQ(back_up(rig).problems.size(), 1u);
    EXPECT_EQ(back_up(rig).problems.size(), 1u);
    EXPECT_TRUE(back_up(rig, "/data/another").problems.empty());
    EXPECT_EQ(must(restored(rig, "first", "/data/another")), bytes);
}

TEST_F(BackupLossesTest, TheNewestKeyringIsBackedUpWhateverZoneHasIt) {
    test::SimDisk disk;
    disk.prepare("/data");
    disk.prepare("/zone");
    CreateOptions create;
    create.directory = "/data/store";
    create.zones = {"/zone"};
    create.unlock = test::test_key();
    must(create_store({disk, random_, clock_}, create));
    const auto old = must(read_file(disk, "/data/store/keyring", crypto::kKeyringBytesMax));
    std::vector<std::byte> film(100'000);
    random_.fill(film);
    auto volume = open(disk, "/data/store");
    const NodeId c = must(volume->tree().create_container(
                              {}, "c", {.mode = 0755, .block_bytes = {}, .profile = {}}))
                         .root;
    auto file = must(volume->tree().create({}, c, "film", 0644, {.read = true, .write = true}));
    must(volume->tree().write({}, *file.file, 0, film));
    must(volume->tree().flush(*file.file));
    volume->tree().release(file.file);
    must(volume->close());
    must(replace_file(disk, "/data/store/keyring", old));  // a disk put back from a backup
    volume = open(disk, "/data/store");
    Job job;
    EXPECT_TRUE(must(volume->back_up(kBackup, job)).problems.empty());
    must(volume->close());
    must(try_restore(disk, "/data/restored"));
    volume = open(disk, "/data/restored");
    EXPECT_EQ(must(content(*volume, "c", "film")), film);
    must(volume->close());
}

TEST_F(BackupLossesTest, ContainersMadeAndDeletedMeanwhile) {
    StoreRig rig(random_);
    const auto film = rig.noise(100'000);
    rig.put(rig.container(), "film", film);
    const NodeId c = rig.container();
    bool changed = false;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kOpen || call.path != kBackup + "/catalog.1/catalog.db" ||
            std::exchange(changed, true))
            return std::nullopt;
        std::thread([&] {
            must(rig.tree().unlink(c, "film"));
            must(rig.tree().delete_container("c"));
            rig.put(rig.container("later"), "film", film);
        }).join();
        return std::nullopt;
    });
    EXPECT_TRUE(back_up(rig).problems.empty());
    rig.disk().set_hook({});
    EXPECT_TRUE(changed) << "or nothing was proven";
    EXPECT_EQ(must(restored(rig, "film")), film);
    back_up(rig);
    must(try_restore(rig.disk(), "/data/after"));
    auto volume = open(rig.disk(), "/data/after");
    EXPECT_EQ(must(content(*volume, "later", "film")), film);
    EXPECT_FALSE(content(*volume, "c", "film").ok());
    must(volume->close());
}

TEST_F(BackupLossesTest, ABackupThatCannotTakeAwayWhatIsOldIsComplete) {
    StoreRig rig(random_);
    rig.put(rig.container(), "film", rig.noise(100'000));
    EXPECT_TRUE(back_up(rig).notes.empty());
    rig.disk().set_hook([](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kRemove || call.path != kBackup + "/keyring.1")
            return std::nullopt;
        return DiskFault{.code = Errc::kIo};
    });
    const BackupReport report = back_up(rig);
    rig.disk().set_hook({});
    EXPECT_EQ(report.generation, 2u);
    EXPECT_EQ(report.notes.size(), 1u);
    EXPECT_TRUE(back_up(rig).notes.empty());
    EXPECT_FALSE(must(rig.disk().exists(kBackup + "/keyring.1")));
}

TEST_F(BackupLossesTest, ABackupThatIsCompleteSurvivesAPowerCut) {
    StoreRig rig(random_);
    const auto film = rig.noise(200'000);
    rig.put(rig.container(), "film", film);
    back_up(rig);
    auto after = rig.disk().crash(test::Crash::kSynced, random_);
    must(try_restore(*after, "/data/restored"));
    auto volume = open(*after, "/data/restored");
    EXPECT_EQ(must(content(*volume, "c", "film")), film);
    must(volume->close());
}

TEST_F(BackupLossesTest, APowerCutDuringABackupLeavesTheOneBeforeOrTheNew) {
    StoreRig rig(random_);
    const auto film = rig.noise(200'000), second = rig.noise(200'000);
    rig.put(rig.container(), "film", film);
    back_up(rig);
    rig.put(rig.container(), "second", second);
    must(rig.tree().sync());
    auto before = rig.disk().kill();
    const std::uint64_t calls = [&] {
        const std::uint64_t so_far = rig.disk().calls();
        back_up(rig);
        return rig.disk().calls() - so_far;
    }();
    const std::uint64_t rounds = test::scaled("power cuts in a backup", 6, 100);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        rig.replace_disk(before->kill());
        rig.disk().cut_power_at(1 + random_.below(calls));
        Job job;
        const auto cut = rig.volume().back_up(kBackup, job);
        auto after =
            rig.disk().crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())], random_);
        must(try_restore(*after, "/data/restored"));
        auto volume = open(*after, "/data/restored");
        EXPECT_EQ(must(content(*volume, "c", "film")), film);
        const auto later = content(*volume, "c", "second");
        if (later) {
            EXPECT_EQ(*later, second);
        } else {
            EXPECT_EQ(later.error().code(), Errc::kNotFound) << later.error().message();
        }
        must(volume->close());
    }
}

TEST_F(BackupLossesTest, APowerCutDuringARestoreLeavesNoStoreOrAWholeOne) {
    StoreRig rig(random_);
    const auto film = rig.noise(200'000);
    rig.put(rig.container(), "film", film);
    back_up(rig);
    rig.close();
    auto before = rig.disk().kill();
    const std::uint64_t calls = [&] {
        auto disk = before->kill();
        must(try_restore(*disk, "/data/restored"));
        return disk->calls();
    }();
    const std::uint64_t rounds = test::scaled("power cuts in a restore", 6, 100);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto disk = before->kill();
        disk->cut_power_at(1 + random_.below(calls));
        (void)try_restore(*disk, "/data/restored").ok();
        auto after =
            disk->crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())], random_);
        if (!must(after->exists("/data/restored/keyring"))) continue;
        auto volume = open(*after, "/data/restored");
        EXPECT_EQ(must(content(*volume, "c", "film")), film);
        must(volume->close());
    }
}

}  // namespace
}  // namespace reelfs::core
