#include "support/sim_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "support/seeded_random.h"

namespace reelfs::test {
namespace {

std::string text_in(Disk& disk, const std::string& path) {
    auto content = read_file(disk, path, 1 << 24);
    return content ? std::string(text_of(*content))
                   : "<" + std::string(name_of(content.error().code())) + ">";
}

class SimDiskTest : public ::testing::Test {
  protected:
    SimDiskTest() { disk_.prepare("/d"); }

    std::unique_ptr<File> create(const std::string& path) {
        auto file = disk_.open(path, OpenMode::kCreateNew);
        EXPECT_TRUE(file.ok());
        return std::move(*file);
    }
    void write(File& file, std::uint64_t offset, std::string_view text) {
        ASSERT_TRUE(file.write_at(offset, bytes_of(text)).ok());
    }

    SeededRandom random_;
    SimDisk disk_;
};

TEST_F(SimDiskTest, SyncedBytesUnderASyncedNameSurviveEveryCrash) {
    auto file = create("/d/a");
    write(*file, 0, "hello");
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    for (Crash choice : kEveryCrash)
        EXPECT_EQ(text_in(*disk_.crash(choice, random_), "/d/a"), "hello");
}

TEST_F(SimDiskTest, ASyncedFileWhoseDirectoryWasNotSyncedMayBeGone) {
    auto file = create("/d/a");
    write(*file, 0, "hello");
    ASSERT_TRUE(file->sync().ok());
    EXPECT_EQ(text_in(*disk_.crash(Crash::kSynced, random_), "/d/a"), "<not_found>");
    EXPECT_EQ(text_in(*disk_.crash(Crash::kWritten, random_), "/d/a"), "hello");
}

TEST_F(SimDiskTest, ASyncCoversOnlyWritesThatHadReturnedBeforeIt) {
    auto file = create("/d/a");
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    write(*file, 0, "one");
    disk_.set_hook([&](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind == DiskCall::kSync) write(*file, 3, "two");
        return std::nullopt;
    });
    ASSERT_TRUE(file->sync().ok());
    EXPECT_EQ(text_in(disk_, "/d/a"), "onetwo");
    EXPECT_EQ(text_in(*disk_.crash(Crash::kSynced, random_), "/d/a"), "one");
}

TEST_F(SimDiskTest, UnsyncedPagesAreOldOrNewEachOnItsOwn) {
    auto file = create("/d/a");
    write(*file, 0, std::string(4 * 4096, 'o'));
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    write(*file, 0, std::string(4 * 4096, 'n'));
    std::set<std::string> seen;
    for (int i = 0; i < 400; ++i) {
        std::string text = text_in(*disk_.crash(Crash::kSubset, random_), "/d/a"), pages;
        ASSERT_EQ(text.size(), 4 * 4096u);
        for (int page = 0; page < 4; ++page) {
            EXPECT_EQ(text.substr(page * 4096, 4096), std::string(4096, text[page * 4096]));
            pages += text[page * 4096];
        }
        seen.insert(pages);
    }
    EXPECT_EQ(seen.size(), 16u);
}

TEST_F(SimDiskTest, ATornWriteEndsAtASectorAndWhatCameBeforeItIsWhole) {
    auto file = create("/d/a");
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    write(*file, 0, std::string(1000, 'a'));
    write(*file, 1000, std::string(9000, 'b'));
    bool torn = false;
    for (int i = 0; i < 200; ++i) {
        std::string text = text_in(*disk_.crash(Crash::kTorn, random_), "/d/a");
        EXPECT_TRUE(text.size() % 512 == 0 || text.size() == 1000 || text.size() == 10000)
            << text.size();
        EXPECT_EQ(text, (std::string(1000, 'a') + std::string(9000, 'b')).substr(0, text.size()));
        torn = torn || (text.size() > 1000 && text.size() < 10000);
    }
    EXPECT_TRUE(torn);
}

TEST_F(SimDiskTest, ZerosKeepsSizesAndNamesButNoNewData) {
    auto file = create("/d/a");
    write(*file, 0, "old");
    ASSERT_TRUE(file->sync().ok());
    write(*file, 0, "new and longer");
    EXPECT_EQ(text_in(*disk_.crash(Crash::kZeros, random_), "/d/a"), "old" + std::string(11, '\0'));
}

TEST_F(SimDiskTest, ATruncationNeverBringsBackBytesOlderThanItself) {
    auto file = create("/d/a");
    write(*file, 0, std::string(8192, 'o'));
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    ASSERT_TRUE(file->truncate(0).ok());
    write(*file, 0, std::string(4096, 'n'));
    for (int i = 0; i < 200; ++i) {
        std::string text = text_in(*disk_.crash(Crash::kMixed, random_), "/d/a");
        if (text.size() == 8192)
            EXPECT_EQ(text, std::string(8192, 'o'));
        else
            EXPECT_EQ(text.find('o'), std::string::npos) << text.size();
    }
}

TEST_F(SimDiskTest, ARenameIsOldOrNewNeverNeither) {
    ASSERT_TRUE(replace_file(disk_, "/d/a", bytes_of("old")).ok());
    auto fresh = create("/d/b");
    write(*fresh, 0, "new");
    ASSERT_TRUE(fresh->sync().ok());
    ASSERT_TRUE(disk_.rename("/d/b", "/d/a").ok());
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i)
        for (Crash choice : kEveryCrash)
            seen.insert(text_in(*disk_.crash(choice, random_), "/d/a"));
    EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST_F(SimDiskTest, DirectoryOperationsSurviveAsAPrefix) {
    for (char name : std::string("abcdef")) create(std::string("/d/") + name);
    std::set<std::string> seen;
    for (int i = 0; i < 300; ++i) {
        std::string names;
        const auto listed = disk_.crash(Crash::kSubset, random_)->list("/d");
        for (const auto& name : *listed) names += name;
        EXPECT_EQ(names, std::string("abcdef").substr(0, names.size()));
        seen.insert(names);
    }
    EXPECT_EQ(seen.size(), 7u);
}

TEST_F(SimDiskTest, ARenameBetweenDirectoriesIsAtomic) {
    disk_.prepare("/e");
    create("/d/a");
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    ASSERT_TRUE(disk_.rename("/d/a", "/e/a").ok());
    for (int i = 0; i < 100; ++i) {
        auto image = disk_.crash(Crash::kSubset, random_);
        EXPECT_NE(*image->exists("/d/a"), *image->exists("/e/a"));
    }
    ASSERT_TRUE(disk_.sync_directory("/e").ok());
    EXPECT_FALSE(*disk_.crash(Crash::kSynced, random_)->exists("/d/a"));
}

TEST_F(SimDiskTest, AfterAFailedSyncTheBytesAreReadableUntilTheCacheIsDroppedAndNeverDurable) {
    auto file = create("/d/a");
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    write(*file, 0, "gone");
    disk_.fail_nth(DiskCall::kSync, 1);
    EXPECT_EQ(file->sync().error().code(), Errc::kIo);
    EXPECT_TRUE(file->sync().ok());
    EXPECT_EQ(text_in(disk_, "/d/a"), "gone");
    EXPECT_EQ(text_in(*disk_.crash(Crash::kWritten, random_), "/d/a"), "");
    file->drop_cache();
    EXPECT_EQ(text_in(disk_, "/d/a"), std::string(4, '\0'));
}

TEST_F(SimDiskTest, WhatAKilledProcessWroteIsThereAndMayStillBeLostLater) {
    auto file = create("/d/a");
    write(*file, 0, "written");
    auto after = disk_.kill();
    EXPECT_EQ(text_in(*after, "/d/a"), "written");
    write(*file, 0, "later, by nobody");
    EXPECT_EQ(text_in(*after, "/d/a"), "written");
    EXPECT_EQ(text_in(*after->crash(Crash::kSynced, random_), "/d/a"), "<not_found>");
}

TEST_F(SimDiskTest, TheNthCallFailsOnceAndAShortWriteLeavesItsBeginning) {
    auto file = create("/d/a");
    disk_.fail_nth(DiskCall::kWrite, 2, {.code = Errc::kNoSpace, .written_bytes = 2});
    write(*file, 0, "one");
    EXPECT_EQ(file->write_at(3, bytes_of("two")).error().code(), Errc::kNoSpace);
    EXPECT_EQ(text_in(disk_, "/d/a"), "onetw");
    write(*file, 3, "two");
    EXPECT_EQ(text_in(disk_, "/d/a"), "onetwo");
    EXPECT_EQ(disk_.calls(DiskCall::kWrite), 3u);
}

TEST_F(SimDiskTest, AfterThePowerCutNothingChangesAndWhatWasPendingMayStillSurvive) {
    auto file = create("/d/a");
    write(*file, 0, "pending");
    disk_.cut_power_at(1);
    EXPECT_FALSE(file->sync().ok());
    EXPECT_FALSE(file->write_at(0, bytes_of("never")).ok());
    EXPECT_FALSE(disk_.exists("/d/a").ok());
    EXPECT_EQ(text_in(*disk_.crash(Crash::kWritten, random_), "/d/a"), "pending");
}

TEST_F(SimDiskTest, AFullVolumeRefusesAndRemovingAFileMakesRoom) {
    disk_.add_volume("/v", 4 * 4096);
    auto file = create("/v/a");
    write(*file, 0, std::string(3 * 4096, 'x'));
    EXPECT_EQ(file->write_at(3 * 4096, bytes_of(std::string(2 * 4096, 'y'))).error().code(),
              Errc::kNoSpace);
    EXPECT_EQ(disk_.space("/v")->free_bytes, 0u);
    ASSERT_TRUE(file->punch(0, 4096).ok());
    EXPECT_EQ(disk_.space("/v")->free_bytes, 4096u);
    ASSERT_TRUE(disk_.remove("/v/a").ok());
    EXPECT_EQ(disk_.space("/v")->free_bytes, 4096u) << "still open";
    file.reset();
    EXPECT_EQ(disk_.space("/v")->free_bytes, 4 * 4096u);
    EXPECT_NE(disk_.space("/v")->device, disk_.space("/d")->device);
}

TEST_F(SimDiskTest, TheSameSeedGivesTheSameImages) {
    auto file = create("/d/a");
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    for (int i = 0; i < 20; ++i)
        write(*file, random_.below(1 << 16),
              std::string(random_.below(9000), static_cast<char>('a' + i)));
    for (std::uint64_t seed = 0; seed < 20; ++seed)
        for (Crash choice : kEveryCrash) {
            SeededRandom one(seed), two(seed);
            EXPECT_EQ(text_in(*disk_.crash(choice, one), "/d/a"),
                      text_in(*disk_.crash(choice, two), "/d/a"));
        }
}

TEST_F(SimDiskTest, DamageIsSeenByReadersAndSurvivesACrash) {
    ASSERT_TRUE(replace_file(disk_, "/d/a", bytes_of("sound")).ok());
    disk_.damage("/d/a", 1, bytes_of("X"));
    EXPECT_EQ(text_in(disk_, "/d/a"), "sXund");
    EXPECT_EQ(text_in(*disk_.crash(Crash::kSynced, random_), "/d/a"), "sXund");
    disk_.flip("/d/a", 1, std::byte{'X' ^ 'o'});
    EXPECT_EQ(text_in(disk_, "/d/a"), "sound");
    EXPECT_THROW(disk_.damage("/d/a", 1, bytes_of("o")), std::invalid_argument) << "as it was";
    EXPECT_THROW(disk_.flip("/d/a", 5), std::invalid_argument) << "behind the end";
}

TEST_F(SimDiskTest, OpeningAnswersAsTheMachineWould) {
    create("/d/a");
    EXPECT_EQ(disk_.open("/d/a", OpenMode::kCreateNew).error().code(), Errc::kExists);
    EXPECT_EQ(disk_.open("/d/b", OpenMode::kReadWrite).error().code(), Errc::kNotFound);
    EXPECT_EQ(disk_.open("/x/b", OpenMode::kCreate).error().code(), Errc::kNotFound);
    EXPECT_EQ(disk_.remove_directory("/d").error().code(), Errc::kNotEmpty);
    EXPECT_EQ((*disk_.open("/d/a", OpenMode::kRead))->write_at(0, bytes_of("x")).error().code(),
              Errc::kBadHandle);
    EXPECT_EQ(disk_.open_files(), 0u);
}

}  // namespace
}  // namespace reelfs::test
