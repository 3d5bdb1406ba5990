// The format: a released schema step is never edited, an old store opens, a newer one is refused.
//
// golden/v1 is a store as the first release wrote it, under the key of fixture.h. To write the
// golden store of a new version, run this once with REELFS_WRITE_GOLDEN=1, and never again.
#include "catalog/schema.h"

#include <xxhash.h>

#include <cstdlib>
#include <filesystem>

#include "catalog/fixture.h"
#include "support/temp_dir.h"

namespace reelfs::catalog {
namespace {

std::filesystem::path golden() {
    const char* source = std::getenv("REELFS_SOURCE");  // ctest sets it
    const auto root = source ? std::filesystem::path(source) : std::filesystem::current_path();
    return root / "tests" / "catalog" / "golden" / "v1" / "catalog.db";
}

Result<void> fill(Writer& writer) {
    NodeRow row = file_row(7, 11);
    row.attributes.expires = Timestamp{99};
    RF_CHECK(writer.insert_node(row));
    RF_CHECK(writer.insert_entry(kRootNode, {.name = "golden", .node = NodeId(7)}));
    RF_CHECK(writer.set_xattr(NodeId(7), "user.a", bytes_of("value")));
    RF_CHECK(writer.set_setting("who", "version 1"));
    ExtentRow extent;
    extent.shape.extent = ExtentId(3);
    extent.location.length = 6;
    RF_CHECK(writer.insert_extent(extent, bytes_of("sealed")));
    return writer.insert_slice(NodeId(7), {.length = 11, .extent = ExtentId(3)});
}

TEST(Schema, TheStepsOfReleasedVersionsAreAsTheyWere) {
    ASSERT_EQ(kSchemaVersion, 1);
    ASSERT_EQ(schema_steps().size(), 1u);
    const std::string_view sql = schema_steps()[0].sql;
    EXPECT_EQ(XXH3_64bits(sql.data(), sql.size()), 0x6a18c81a86076a91ull);
}

TEST(Schema, AStoreOfVersionOneOpens) {
    test::SeededRandom random;
    PosixDisk disk;
    test::TempDir directory;
    const std::string path = directory / "catalog";
    if (std::getenv("REELFS_WRITE_GOLDEN") != nullptr) {
        auto fresh = open_on(disk, random, path);
        ASSERT_TRUE(fresh.ok());
        ASSERT_OK(fresh->catalog->write(fill));
        ASSERT_OK(fresh->catalog->close());
        std::filesystem::create_directories(golden().parent_path());
        std::filesystem::copy_file(path + "/catalog.db", golden());
        std::filesystem::remove_all(path);
    }
    std::filesystem::create_directory(path);
    std::filesystem::copy_file(golden(), path + "/catalog.db");
    auto opened = open_on(disk, random, path);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_TRUE(opened->opened.clean);
    EXPECT_FALSE(opened->opened.created);
    ASSERT_OK(opened->catalog->read([](Reader& reader) -> Result<void> {
        RF_TRY(auto row, reader.node(NodeId(7)));
        EXPECT_EQ(row->attributes.expires, Timestamp{99});
        RF_TRY(auto entry, reader.entry(kRootNode, "golden"));
        EXPECT_EQ(entry, NodeId(7));
        RF_TRY(auto value, reader.xattr(NodeId(7), "user.a"));
        EXPECT_EQ(value, copy_of(bytes_of("value")));
        RF_TRY(auto setting, reader.setting("who"));
        EXPECT_EQ(setting, "version 1");
        RF_TRY(auto slices, reader.slices(NodeId(7), 0, 9));
        EXPECT_EQ(slices.size(), 1u);
        RF_TRY(auto bytes, reader.inline_bytes(ExtentId(3)));
        EXPECT_EQ(text_of(bytes), "sealed");
        RF_TRY(auto counts, reader.counts());
        EXPECT_EQ(counts.nodes, 1u);
        return done();
    }));
    ASSERT_OK(opened->catalog->close());
}

TEST(Schema, ANewerStoreIsRefused) {
    test::SeededRandom random;
    auto disk = new_disk();
    {
        auto opened = open_on(*disk, random);
        ASSERT_TRUE(opened.ok());
        ASSERT_OK(opened->catalog->close());
    }
    {
        crypto::PageSealer sealer(page_key(), random);
        Failure failure;
        Durability durability(failure);
        SealingVfs vfs({.disk = *disk,
                        .random = random,
                        .sealer = sealer,
                        .failure = failure,
                        .durability = durability},
                       kDatabase, LogScan{});
        auto database = Database::open(vfs, 1u << 20);
        ASSERT_TRUE(database.ok()) << database.error().message();
        ASSERT_OK((*database)->execute("PRAGMA user_version=2"));
    }
    EXPECT_FAILS(Errc::kNewerFormat, open_on(*disk, random));
}

}  // namespace
}  // namespace reelfs::catalog
