// The format: a released schema step is never edited, an old store opens, a newer one is refused.
//
// golden/v<n> is a store as the first build of that version wrote it, under the key of fixture.h.
// To write the golden store of a new version, run this once with REELFS_WRITE_GOLDEN=1, and never
// again.
#include "catalog/schema.h"

#include <xxhash.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "catalog/fixture.h"
#include "support/temp_dir.h"

namespace reelfs::catalog {
namespace {

std::filesystem::path golden(int version) {
    const char* source = std::getenv("REELFS_SOURCE");  // ctest sets it
    const auto root = source ? std::filesystem::path(source) : std::filesystem::current_path();
    return root / "tests" / "catalog" / "golden" / ("v" + std::to_string(version)) / "catalog.db";
}

UserRow golden_user() {
    return {.name = "ann",
            .access_key_id = "KEY",
            .wrapped_secret = copy_of(bytes_of("wrapped")),
            .disabled = true,
            .created = Timestamp{5},
            .key_created = Timestamp{6}};
}

TokenRow golden_token() {
    TokenRow row{.id = "token",
                 .hash = {},
                 .container = ContainerId(1),
                 .prefix = "live/a",
                 .actions = {},
                 .created = Timestamp{7},
                 .expires = Timestamp{8}};
    row.hash.fill(std::byte{9});
    row.actions.add(Action::kPutObject);
    return row;
}

DocumentRow golden_document() {
    return {.container = ContainerId(1), .kind = "cors", .body = "[{}]"};
}

/// What version 2 brought.
Result<void> check_version_2(Reader& reader) {
    RF_TRY(auto users, reader.users_after("", 9));
    EXPECT_EQ(users.size(), 1u);
    const UserRow& user = users.at(0);
    EXPECT_EQ(user.name, "ann");
    EXPECT_EQ(user.access_key_id, "KEY");
    EXPECT_EQ(user.wrapped_secret, golden_user().wrapped_secret);
    EXPECT_TRUE(user.disabled);
    EXPECT_EQ(user.created, Timestamp{5});
    EXPECT_EQ(user.key_created, Timestamp{6});
    RF_TRY(auto tokens, reader.tokens_after("", 9));
    EXPECT_EQ(tokens.size(), 1u);
    const TokenRow& token = tokens.at(0);
    EXPECT_EQ(token.id, "token");
    EXPECT_EQ(token.hash, golden_token().hash);
    EXPECT_EQ(token.container, ContainerId(1));
    EXPECT_EQ(token.prefix, "live/a");
    EXPECT_EQ(token.actions, ActionSet::of_bits(4));
    EXPECT_EQ(token.created, Timestamp{7});
    EXPECT_EQ(token.expires, Timestamp{8});
    return done();
}

/// What version 4 brought.
Result<void> fill_version_4(Writer& writer) {
    ExtentRow extent;
    extent.shape.extent = ExtentId(4);
    extent.location.length = 6;
    RF_CHECK(writer.insert_extent(extent, bytes_of("shared")));
    RF_CHECK(writer.share_extent(ExtentId(4), std::array{RefRun{BlockIndex(2), 3, 4}}));
    ContainerRow limited;
    limited.container = ContainerId(1);
    limited.quota.bytes = 10;
    return writer.insert_container(limited);
}
Result<void> check_version_4(Reader& reader) {
    RF_TRY(auto unshared, reader.extent(ExtentId(3)));
    EXPECT_FALSE(unshared->shared);
    RF_TRY(auto shared, reader.extent(ExtentId(4)));
    EXPECT_TRUE(shared->shared);
    RF_TRY(auto runs, reader.shares(ExtentId(4), 0, 9));
    EXPECT_EQ(runs, (std::vector{RefRun{BlockIndex(2), 3, 4}}));
    RF_TRY(auto limited, reader.container(ContainerId(1)));
    EXPECT_EQ(limited->quota, (Quota{.bytes = 10, .objects = {}}));
    RF_TRY(const Usage used, reader.usage(ContainerId(1)));
    EXPECT_EQ(used, Usage{});  // one node, which stands for its top folder
    return done();
}

/// What version 3 brought.
Result<void> check_version_3(Reader& reader) {
    RF_TRY(auto documents, reader.documents_after(kNoContainer, "", 9));
    EXPECT_EQ(documents.size(), 1u);
    EXPECT_EQ(documents.at(0).container, ContainerId(1));
    EXPECT_EQ(documents.at(0).kind, "cors");
    EXPECT_EQ(documents.at(0).body, "[{}]");
    return done();
}

ExpiryRow golden_expiry() {
    return {.node = NodeId(7),
            .due = Timestamp{99},
            .since = Timestamp{9},
            .transient = true,
            .parent = kRootNode,
            .name = "golden"};
}

/// What version 5 brought.
Result<void> check_version_5(Reader& reader) {
    RF_TRY(auto row, reader.expiry(NodeId(7)));
    EXPECT_TRUE(row.has_value());
    if (!row) return done();
    EXPECT_EQ(row->due, Timestamp{99});
    EXPECT_EQ(row->since, Timestamp{9});
    EXPECT_TRUE(row->transient);
    EXPECT_EQ(row->parent, kRootNode);
    EXPECT_EQ(row->name, "golden");
    return done();
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
    RF_CHECK(writer.insert_slice(NodeId(7), {.length = 11, .extent = ExtentId(3)}));
    RF_CHECK(writer.insert_user(golden_user()));
    RF_CHECK(writer.insert_token(golden_token()));
    RF_CHECK(writer.put_document(golden_document()));
    RF_CHECK(fill_version_4(writer));
    return writer.put_expiry(golden_expiry());
}

/// What every version knows.
Result<void> check_version_1(Reader& reader) {
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
}

/// The golden store of a version, copied to where it may be changed.
class GoldenStore {
  public:
    explicit GoldenStore(int version) : path_(directory_ / "catalog") {
        std::filesystem::create_directory(path_);
        std::filesystem::copy_file(golden(version), path_ + "/catalog.db");
    }
    Result<OpenResult> open() { return open_on(disk_, random_, path_); }

  private:
    test::SeededRandom random_;
    PosixDisk disk_;
    test::TempDir directory_;
    const std::string path_;
};

TEST(Schema, TheStepsOfReleasedVersionsAreAsTheyWere) {
    constexpr std::uint64_t kHashes[] = {0x6a18c81a86076a91ull, 0x65b081a9ca2edcdeull,
                                         0x053dd81211e716b0ull, 0x3854d2657ce2a92eull,
                                         0xad4ba2e46a93f736ull};
    ASSERT_EQ(kSchemaVersion, static_cast<std::int64_t>(std::size(kHashes)));
    ASSERT_EQ(schema_steps().size(), std::size(kHashes));
    for (std::size_t i = 0; i < std::size(kHashes); ++i) {
        const std::string_view sql = schema_steps()[i].sql;
        EXPECT_EQ(XXH3_64bits(sql.data(), sql.size()), kHashes[i]) << "version " << i + 1;
    }
}

TEST(Schema, TheGoldenStoreOfThisVersionIsThere) {
    if (std::getenv("REELFS_WRITE_GOLDEN") != nullptr) {
        test::SeededRandom random;
        PosixDisk disk;
        test::TempDir directory;
        const std::string path = directory / "catalog";
        auto fresh = open_on(disk, random, path);
        ASSERT_TRUE(fresh.ok());
        ASSERT_OK(fresh->catalog->write(fill));
        ASSERT_OK(fresh->catalog->close());
        std::filesystem::create_directories(golden(kSchemaVersion).parent_path());
        std::filesystem::copy_file(path + "/catalog.db", golden(kSchemaVersion));
    }
    EXPECT_TRUE(std::filesystem::exists(golden(kSchemaVersion)));
}

TEST(Schema, AStoreOfVersionOneOpensAndTakesUsers) {
    GoldenStore store(1);
    for (int round = 0; round < 2; ++round) {
        auto opened = store.open();
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_TRUE(opened->opened.clean);
        EXPECT_FALSE(opened->opened.created);
        ASSERT_OK(opened->catalog->read(check_version_1));
        if (round == 0) {
            ASSERT_OK(opened->catalog->write([](Writer& writer) -> Result<void> {
                RF_CHECK(writer.insert_user(golden_user()));
                return writer.insert_token(golden_token());
            }));
        } else {
            ASSERT_OK(opened->catalog->read(check_version_2));
        }
        ASSERT_OK(opened->catalog->close());
    }
}

TEST(Schema, AStoreOfVersionTwoOpensAndTakesDocuments) {
    GoldenStore store(2);
    for (int round = 0; round < 2; ++round) {
        auto opened = store.open();
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_TRUE(opened->opened.clean);
        ASSERT_OK(opened->catalog->read(check_version_1));
        ASSERT_OK(opened->catalog->read(check_version_2));
        if (round == 0)
            ASSERT_OK(opened->catalog->write(
                [](Writer& writer) { return writer.put_document(golden_document()); }));
        else
            ASSERT_OK(opened->catalog->read(check_version_3));
        ASSERT_OK(opened->catalog->close());
    }
}

TEST(Schema, AStoreOfVersionThreeOpensAndTakesWhatFourBrought) {
    GoldenStore store(3);
    for (int round = 0; round < 2; ++round) {
        auto opened = store.open();
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_TRUE(opened->opened.clean);
        ASSERT_OK(opened->catalog->read(check_version_1));
        ASSERT_OK(opened->catalog->read(check_version_2));
        ASSERT_OK(opened->catalog->read(check_version_3));
        if (round == 0) {
            ASSERT_OK(opened->catalog->write(fill_version_4));
        } else {
            ASSERT_OK(opened->catalog->read(check_version_4));
        }
        ASSERT_OK(opened->catalog->close());
    }
}

TEST(Schema, AStoreOfVersionFourOpensAndTakesAnExpiryQueue) {
    GoldenStore store(4);
    for (int round = 0; round < 2; ++round) {
        auto opened = store.open();
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_TRUE(opened->opened.clean);
        ASSERT_OK(opened->catalog->read(check_version_1));
        ASSERT_OK(opened->catalog->read(check_version_2));
        ASSERT_OK(opened->catalog->read(check_version_3));
        ASSERT_OK(opened->catalog->read(check_version_4));
        if (round == 0) {
            ASSERT_OK(opened->catalog->write(
                [](Writer& writer) { return writer.put_expiry(golden_expiry()); }));
        } else {
            ASSERT_OK(opened->catalog->read(check_version_5));
        }
        ASSERT_OK(opened->catalog->close());
    }
}

TEST(Schema, AStoreOfVersionFiveOpens) {
    GoldenStore store(5);
    auto opened = store.open();
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_TRUE(opened->opened.clean);
    ASSERT_OK(opened->catalog->read(check_version_1));
    ASSERT_OK(opened->catalog->read(check_version_2));
    ASSERT_OK(opened->catalog->read(check_version_3));
    ASSERT_OK(opened->catalog->read(check_version_4));
    ASSERT_OK(opened->catalog->read(check_version_5));
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
        ASSERT_OK(
            (*database)->execute("PRAGMA user_version=" + std::to_string(kSchemaVersion + 1)));
    }
    EXPECT_FAILS(Errc::kNewerFormat, open_on(*disk, random));
}

}  // namespace
}  // namespace reelfs::catalog
