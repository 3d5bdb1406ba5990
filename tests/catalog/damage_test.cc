// What is on the disk: nothing readable, and nothing that can be changed unnoticed.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "catalog/fixture.h"
#include "catalog/log_layout.h"

namespace reelfs::catalog {
namespace {

constexpr std::uint64_t kNodes = 40;

std::vector<std::byte> content(Disk& disk, const std::string& path) {
    auto bytes = read_file(disk, path, 1u << 26);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message();
    return *std::move(bytes);
}

std::set<std::string> names_in(Disk& disk, const std::string& directory) {
    auto names = *disk.list(directory);
    return {names.begin(), names.end()};
}

/// The name of a log that was put aside, or "".
std::string copy_in(Disk& disk) {
    for (const std::string& name : names_in(disk, kDirectory))
        if (name.starts_with("catalog.db-wal.damaged-")) return name;
    return "";
}

bool has_copy(Disk& disk) {
    return !copy_in(disk).empty();
}

std::string long_name(std::uint64_t id) {
    return std::string(300, static_cast<char>('a' + id % 26)) + std::to_string(id);
}

/// Half of the nodes in the database, the other half in the log, all synced; then the power fails.
class DamageTest : public testing::Test {
  protected:
    void SetUp() override {
        auto live = new_disk();
        auto opened = open_on(*live, random_);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        for (std::uint64_t id = 10; id < 10 + kNodes; ++id) {
            ASSERT_OK(create(*opened->catalog, id, long_name(id)));
            if (id == 10 + kNodes / 2) ASSERT_OK(opened->catalog->checkpoint());
            if (id % 3 == 0) ASSERT_OK(opened->catalog->sync());
        }
        ASSERT_OK(opened->catalog->sync());
        stopped_ = live->crash(test::Crash::kSynced, random_);
    }

    /// Opens and reads everything. Each row must be right, or the store or the row refused, or the
    /// log's end reported and copied aside.
    void check(test::SimDisk& disk, const std::string& what) {
        auto opened = open_on(disk, random_);
        if (!opened) {
            EXPECT_EQ(opened.error().code(), Errc::kCorrupt) << what << opened.error().message();
            if (opened.error().message().find("catalog's log") != std::string::npos) {
                EXPECT_TRUE(has_copy(disk)) << what;
            }
            ++refused_;
            return;
        }
        const bool reported = !opened->opened.log_report.empty();
        if (reported) {
            ++reported_;
            EXPECT_TRUE(has_copy(disk)) << what;
        }
        bool missing_before = false;
        for (std::uint64_t id = 10; id < 10 + kNodes; ++id) {
            auto row = ask<std::optional<NodeRow>>(
                *opened->catalog, [&](Reader& reader) { return reader.node(NodeId(id)); });
            auto entry = ask<std::optional<NodeId>>(*opened->catalog, [&](Reader& reader) {
                return reader.entry(kRootNode, long_name(id));
            });
            for (const auto* error :
                 {row ? nullptr : &row.error(), entry ? nullptr : &entry.error()})
                if (error) {
                    EXPECT_EQ(error->code(), Errc::kCorrupt) << what << error->message();
                    ++refused_;
                }
            if (!row || !entry) continue;
            EXPECT_EQ(row->has_value(), entry->has_value()) << what;
            EXPECT_FALSE(row->has_value() && missing_before) << what;
            if (*row) {
                EXPECT_EQ((*row)->attributes, file_row(id).attributes) << what;
                EXPECT_EQ(**entry, NodeId(id)) << what;
            } else {
                EXPECT_TRUE(reported) << what << "a commit is missing and nobody says so";
                missing_before = true;
            }
        }
    }

    test::SeededRandom random_;
    std::unique_ptr<test::SimDisk> stopped_;
    int refused_ = 0;
    int reported_ = 0;
};

TEST_F(DamageTest, AFlippedByteOfTheDatabaseIsFoundWhereItMatters) {
    for (std::uint64_t at = 0; at < 3 * kPageBytes; at += 211 * kSlower) {
        auto disk = stopped_->kill();
        disk->flip(kDatabase, at);
        check(*disk, "database byte " + std::to_string(at) + " with a log: ");
    }
    {
        auto opened = open_on(*stopped_, random_);
        ASSERT_OK(opened->catalog->close());
    }
    const std::uint64_t size = content(*stopped_, kDatabase).size();
    for (std::uint64_t at = 0; at < size; at += 211 * kSlower) {
        auto disk = stopped_->kill();
        disk->flip(kDatabase, at);
        check(*disk, "database byte " + std::to_string(at) + ": ");
    }
    EXPECT_GT(refused_, 0);
    EXPECT_EQ(reported_, 0);
}

TEST_F(DamageTest, ADamagedLogIsCopiedWholeAndItsUnusedRoomTakesNone) {
    stopped_->flip(kLog, kPageBytes);
    const auto found = content(*stopped_, kLog);
    const std::uint64_t free = stopped_->space(kDirectory)->free_bytes;
    ASSERT_FALSE(open_on(*stopped_, random_).ok());
    EXPECT_EQ(content(*stopped_, fmt::format("{}/{}", kDirectory, copy_in(*stopped_))), found);
    const auto last = std::find_if(found.rbegin(), found.rend(),
                                   [](std::byte byte) { return byte != std::byte{}; });
    const auto used = static_cast<std::uint64_t>(found.rend() - last);
    ASSERT_LT(2 * used, found.size()) << "or nothing is shown";
    EXPECT_LT(free - stopped_->space(kDirectory)->free_bytes, found.size() / 2);
}

TEST_F(DamageTest, AFlippedByteOfTheLogLosesNoCommitSilently) {
    const auto bytes = content(*stopped_, kLog);
    const auto last = std::find_if(bytes.rbegin(), bytes.rend(),
                                   [](std::byte byte) { return byte != std::byte{}; });
    const auto used = static_cast<std::uint64_t>(bytes.rend() - last) + 2 * kFrameBytes;
    for (std::uint64_t at = 0; at < used; at += 509 * kSlower) {
        auto disk = stopped_->kill();
        disk->flip(kLog, at);
        check(*disk, "log byte " + std::to_string(at) + ": ");
    }
    EXPECT_GT(refused_, 0);
    EXPECT_GT(reported_, 0);
}

TEST_F(DamageTest, OneCopyOfTheLogsHeaderIsEnough) {
    for (std::uint64_t at : {std::uint64_t{5}, std::uint64_t{kLogHeaderCopyOffset + 5}}) {
        auto disk = stopped_->kill();
        disk->flip(kLog, at);
        auto opened = open_on(*disk, random_);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(opened->opened.log_report, "");
        EXPECT_TRUE(*has_node(*opened->catalog, 10 + kNodes - 1));
    }
    auto disk = stopped_->kill();
    disk->flip(kLog, 5);
    disk->flip(kLog, kLogHeaderCopyOffset + 5);
    EXPECT_FAILS(Errc::kCorrupt, open_on(*disk, random_));
    EXPECT_TRUE(has_copy(*disk));
}

TEST_F(DamageTest, ARefusedLogIsCopiedOnceHoweverOftenTheStoreIsStarted) {
    stopped_->flip(kLog, physical_of(2) + 50);
    const auto before = content(*stopped_, kLog);
    for (int i = 0; i < 3; ++i) EXPECT_FAILS(Errc::kCorrupt, open_on(*stopped_, random_));
    EXPECT_EQ(content(*stopped_, kLog), before);
    EXPECT_EQ(names_in(*stopped_, kDirectory).size(), 3u);
}

TEST_F(DamageTest, ATornTailIsReportedOnce) {
    const auto bytes = content(*stopped_, kLog);
    std::uint64_t frames = 0;
    while (bytes[physical_of(frames + 1)] != std::byte{} ||
           bytes[physical_of(frames + 1) + 1] != std::byte{})
        ++frames;
    stopped_->flip(kLog, physical_of(frames) + 9);
    {
        auto opened = open_on(*stopped_, random_);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_NE(opened->opened.log_report, "");
        ASSERT_OK(create(*opened->catalog, 5));
        ASSERT_OK(opened->catalog->sync());
    }
    auto again = open_on(*stopped_, random_);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->opened.log_report, "");
    EXPECT_TRUE(*has_node(*again->catalog, 5));
}

TEST_F(DamageTest, AFrameOfAnEarlierGenerationPutBackIsFound) {
    auto live = new_disk();
    auto opened = open_on(*live, random_);
    for (std::uint64_t id = 10; id < 20; ++id) ASSERT_OK(create(*opened->catalog, id));
    const auto old_log = content(*live, kLog);
    ASSERT_OK(opened->catalog->checkpoint());
    for (std::uint64_t id = 20; id < 30; ++id) {
        ASSERT_OK(create(*opened->catalog, id));
        ASSERT_OK(opened->catalog->sync());
    }
    // Frame 3, authentic, in its place, but from before the restart.
    live->damage(kLog, physical_of(3), Bytes(old_log).subspan(physical_of(3), kFrameBytes));
    opened->catalog.reset();
    EXPECT_FAILS(Errc::kCorrupt, open_on(*live, random_));
    // The header of before the restart.
    live->damage(kLog, 0, Bytes(old_log).first(kLogHeaderBlockBytes));
    EXPECT_FAILS(Errc::kCorrupt, open_on(*live, random_));
}

TEST_F(DamageTest, ADatabaseInUseDoesNotOpenWithoutItsLog) {
    ASSERT_OK(stopped_->remove(kLog));
    EXPECT_FAILS(Errc::kCorrupt, open_on(*stopped_, random_));
    auto other = new_disk();
    ASSERT_TRUE(open_on(*other, random_).ok());
    ASSERT_OK(other->remove(kDatabase));
    EXPECT_FAILS(Errc::kCorrupt, open_on(*other, random_));
}

TEST_F(DamageTest, PagesCannotTradePlaces) {
    {
        auto opened = open_on(*stopped_, random_);
        ASSERT_OK(opened->catalog->close());
    }
    const auto bytes = content(*stopped_, kDatabase);
    const std::uint64_t last = bytes.size() / kPageBytes - 1;
    for (std::uint64_t page = 1; page < last; ++page) {
        auto disk = stopped_->kill();
        const auto at = [](std::uint64_t index) { return index * kPageBytes; };
        disk->damage(kDatabase, at(page), Bytes(bytes).subspan(at(last), kPageBytes));
        disk->damage(kDatabase, at(last), Bytes(bytes).subspan(at(page), kPageBytes));
        check(*disk, "page " + std::to_string(page + 1) + ": ");
    }
    EXPECT_GT(refused_, 0);
}

TEST(Secrecy, NothingPlainReachesTheDisk) {
    test::SeededRandom random;
    auto disk = new_disk();
    auto opened = open_on(*disk, random);
    ASSERT_TRUE(opened.ok());
    Catalog& catalog = *opened->catalog;
    std::vector<std::string> markers;
    for (int i = 0; i < 4; ++i) {
        std::string marker = "MARKER" + std::to_string(i);
        while (marker.size() < 64) marker += static_cast<char>('A' + random.below(26));
        markers.push_back(marker);
    }
    ASSERT_OK(catalog.write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_node(file_row(5)));
        RF_CHECK(writer.insert_entry(kRootNode, {.name = markers[0], .node = NodeId(5)}));
        RF_CHECK(writer.set_xattr(NodeId(5), markers[1], bytes_of(markers[2])));
        return writer.set_setting("s", markers[3]);
    }));
    // Large enough to spill out of the page cache in the middle of the transaction.
    ASSERT_OK(catalog.write([&](Writer& writer) -> Result<void> {
        const std::string value = markers[2] + std::string(60'000, 'q');
        for (int i = 0; i < 80; ++i)
            RF_CHECK(writer.set_xattr(NodeId(5), std::to_string(i), bytes_of(value)));
        return done();
    }));
    markers.push_back(std::string(64, 'q'));
    markers.push_back("SQLite format 3");
    markers.push_back("CREATE TABLE");
    auto search = [&] {
        for (const std::string& name : names_in(*disk, kDirectory)) {
            const auto bytes = content(*disk, kDirectory + "/" + name);
            for (const std::string& marker : markers)
                EXPECT_EQ(text_of(bytes).find(marker), std::string_view::npos)
                    << marker << " in " << name;
        }
    };
    search();
    ASSERT_OK(catalog.checkpoint());
    search();
    EXPECT_EQ(names_in(*disk, kDirectory), (std::set<std::string>{"catalog.db", "catalog.db-wal"}));
    ASSERT_OK(catalog.close());
    search();
}

}  // namespace
}  // namespace reelfs::catalog
