// Opening, transactions, leases and closing.
#include <atomic>
#include <thread>

#include "catalog/fixture.h"
#include "support/temp_dir.h"

namespace reelfs::catalog {
namespace {

class CatalogTest : public testing::Test {
  protected:
    void open() {
        auto result = open_on(*disk_, random_);
        ASSERT_TRUE(result.ok()) << result.error().message();
        catalog_ = std::move(result->catalog);
        opened_ = result->opened;
    }
    void reopen() {
        catalog_.reset();
        open();
    }

    test::SeededRandom random_;
    std::unique_ptr<test::SimDisk> disk_ = new_disk();
    std::unique_ptr<Catalog> catalog_;
    Opened opened_;
};

TEST_F(CatalogTest, ANewCatalogIsCreatedAndClean) {
    open();
    EXPECT_TRUE(opened_.created);
    EXPECT_TRUE(opened_.clean);
    EXPECT_EQ(opened_.log_report, "");
}

TEST_F(CatalogTest, RowsSurviveACleanStop) {
    open();
    ASSERT_OK(create(*catalog_, 5));
    ASSERT_OK(catalog_->close());
    reopen();
    EXPECT_FALSE(opened_.created);
    EXPECT_TRUE(opened_.clean);
    EXPECT_TRUE(*has_node(*catalog_, 5));
    EXPECT_FALSE(*has_node(*catalog_, 6));
}

TEST_F(CatalogTest, RowsSurviveAStopThatWasNotClean) {
    open();
    ASSERT_OK(create(*catalog_, 5));
    reopen();
    EXPECT_FALSE(opened_.clean);
    EXPECT_TRUE(*has_node(*catalog_, 5));
    ASSERT_OK(create(*catalog_, 6));
    ASSERT_OK(catalog_->close());
    reopen();
    EXPECT_TRUE(opened_.clean);
    EXPECT_TRUE(*has_node(*catalog_, 6));
}

TEST_F(CatalogTest, AnErrorOfTheBodyRollsBackAndIsReturned) {
    open();
    bool published = false;
    auto result = catalog_->write(
        [](Writer& writer) -> Result<void> {
            RF_CHECK(writer.insert_node(file_row(9)));
            return Error(Errc::kQuota, "no more");
        },
        [&] { published = true; });
    EXPECT_FAILS(Errc::kQuota, std::move(result));
    EXPECT_FALSE(published);
    EXPECT_FALSE(*has_node(*catalog_, 9));
    ASSERT_OK(create(*catalog_, 9));
}

TEST_F(CatalogTest, PublicationHappensInCommitOrder) {
    open();
    std::vector<std::uint64_t> committed, published;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                const auto id = static_cast<std::uint64_t>(100 * (t + 1) + i);
                EXPECT_OK(catalog_->write(
                    [&](Writer& writer) {
                        committed.push_back(id);
                        return writer.insert_node(file_row(id));
                    },
                    [&] { published.push_back(id); }));
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(committed, published);
    EXPECT_EQ(published.size(), 200u);
}

TEST_F(CatalogTest, LeasesNeverOverlapEvenAfterAPowerCut) {
    open();
    EXPECT_EQ(*catalog_->lease(Lease::kNodeIds, 100), 2u);
    EXPECT_EQ(*catalog_->lease(Lease::kNodeIds, 10), 102u);
    EXPECT_EQ(*catalog_->lease(Lease::kExtentIds, 7), 1u);
    EXPECT_EQ(*catalog_->lease(Lease::kContainerIds, 1), 1u);
    auto after = disk_->crash(test::Crash::kSynced, random_);
    auto again = open_on(*after, random_);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(*again->catalog->lease(Lease::kNodeIds, 1), 112u);
    EXPECT_EQ(*again->catalog->lease(Lease::kExtentIds, 1), 8u);
    EXPECT_EQ(*again->catalog->lease(Lease::kContainerIds, 1), 2u);
}

TEST_F(CatalogTest, ALeaseBeyondTheLastIdIsRefused) {
    open();
    EXPECT_FAILS(Errc::kRange, catalog_->lease(Lease::kNodeIds, std::uint64_t{1} << 63));
    EXPECT_EQ(*catalog_->lease(Lease::kNodeIds, 1), 2u);
}

TEST_F(CatalogTest, AnotherKeyOpensNothing) {
    open();
    ASSERT_OK(catalog_->close());
    catalog_.reset();
    auto wrong = open_catalog(*disk_, random_, crypto::SecretKey::random(random_),
                              {.directory = kDirectory});
    EXPECT_FAILS(Errc::kCorrupt, std::move(wrong));
}

TEST(CatalogOnTheMachinesDisk, OpensWritesAndOpensAgain) {
    test::TempDir directory;
    test::SeededRandom random;
    PosixDisk disk;
    for (std::uint64_t round = 0; round < 3; ++round) {
        auto opened = open_on(disk, random, directory / "catalog");
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(opened->opened.created, round == 0);
        EXPECT_TRUE(opened->opened.clean);
        for (std::uint64_t id = 0; id < round; ++id)
            EXPECT_TRUE(*has_node(*opened->catalog, 10 + id));
        ASSERT_OK(create(*opened->catalog, 10 + round));
        ASSERT_OK(opened->catalog->sync());
        ASSERT_OK(opened->catalog->checkpoint());
        ASSERT_OK(opened->catalog->close());
    }
}

}  // namespace
}  // namespace reelfs::catalog
