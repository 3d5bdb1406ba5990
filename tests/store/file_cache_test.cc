#include "store/file_cache.h"

#include <gtest/gtest.h>

#include "support/sim_disk.h"

namespace reelfs::store {
namespace {

class FileCacheTest : public ::testing::Test {
  protected:
    std::shared_ptr<File> file() { return *disk_.open("/file", OpenMode::kCreate); }
    /// All in one shard: only the first bytes differ.
    static PackId pack(std::uint8_t n) { return PackId{{std::byte{n}}}; }

    test::SimDisk disk_;
    FileCache cache_;
};

TEST_F(FileCacheTest, AFileOpenedBeforeItsPackWasForgottenDoesNotEnter) {
    const std::uint64_t epoch = cache_.epoch(pack(1));
    auto opened = file();
    cache_.forget(pack(1));
    cache_.insert(pack(1), opened, epoch);
    EXPECT_EQ(cache_.find(pack(1)), nullptr);
    cache_.insert(pack(1), opened, cache_.epoch(pack(1)));
    EXPECT_EQ(cache_.find(pack(1)), opened);
}

TEST_F(FileCacheTest, TheFileUsedLongestAgoIsClosedFirst) {
    std::uint8_t n = 0;
    while (disk_.open_files() == n) {
        cache_.insert(pack(n), file(), cache_.epoch(pack(n)));
        ++n;
        ASSERT_NE(cache_.find(pack(0)), nullptr) << "used again each time, so it stays";
    }
    EXPECT_EQ(cache_.find(pack(1)), nullptr);
    EXPECT_NE(cache_.find(pack(2)), nullptr);
}

}  // namespace
}  // namespace reelfs::store
