// A copy of the catalog is of one moment, whatever happened to the log before it.
#include "catalog/fixture.h"

namespace reelfs::catalog {
namespace {

using test::DiskCall;
using test::DiskFault;
using test::SeededRandom;

class SnapshotTest : public ::testing::Test {
  protected:
    static void copy(Disk& disk, const std::string& from, const std::string& to,
                     std::uint64_t bytes) {
        auto source = disk.open(from, OpenMode::kRead);
        auto target = disk.open(to, OpenMode::kCreateNew);
        ASSERT_TRUE(source.ok() && target.ok());
        std::vector<std::byte> data(bytes);
        const auto read = (*source)->read_at(0, data);
        ASSERT_TRUE(read.ok() && *read == bytes);
        ASSERT_TRUE((*target)->write_at(0, data).ok());
    }
    SeededRandom random_;
};

/// A checkpoint whose last step finds the disk full leaves a log that the next commit begins anew.
TEST_F(SnapshotTest, OfALogThatIsAboutToBeginAnewIsOfOneMoment) {
    auto disk = new_disk();
    auto opened = open_on(*disk, random_);
    ASSERT_TRUE(opened.ok());
    Catalog& catalog = *opened->catalog;
    for (std::uint64_t id = 10; id < 20; ++id) ASSERT_TRUE(create(catalog, id).ok());
    bool checkpointed = false;
    disk->set_hook([&](const test::CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind == DiskCall::kSync && call.path == kDatabase) checkpointed = true;
        if (call.kind != DiskCall::kWrite || call.path != kLog || !checkpointed)
            return std::nullopt;
        return DiskFault{.code = Errc::kNoSpace};
    });
    EXPECT_FALSE(catalog.checkpoint().ok());
    disk->set_hook({});
    EXPECT_TRUE(checkpointed) << "or nothing was proven";
    const std::string directory = "/store/copy";
    ASSERT_TRUE(disk->make_directory(directory).ok());
    const auto at_point = [](Reader&) -> Result<void> { return done(); };
    const auto taken = catalog.snapshot(at_point, [&](const Catalog::Files& files) -> Result<void> {
        RF_CHECK(create(catalog, 30));  // later than the moment
        copy(*disk, files.database, directory + "/catalog.db", files.database_bytes);
        copy(*disk, files.log, directory + "/catalog.db-wal", files.log_bytes);
        return done();
    });
    ASSERT_TRUE(taken.ok()) << taken.error().message();
    auto copied = open_on(*disk, random_, directory);
    ASSERT_TRUE(copied.ok()) << copied.error().message();
    std::optional<NodeRow> before, after;
    const auto read = copied->catalog->read([&](Reader& r) -> Result<void> {
        RF_TRY(before, r.node(NodeId(19)));
        RF_TRY(after, r.node(NodeId(30)));
        return done();
    });
    ASSERT_TRUE(read.ok());
    EXPECT_TRUE(before.has_value());
    EXPECT_FALSE(after.has_value());
    EXPECT_TRUE(copied->catalog->close().ok());
    EXPECT_TRUE(catalog.close().ok());
}

}  // namespace
}  // namespace reelfs::catalog
