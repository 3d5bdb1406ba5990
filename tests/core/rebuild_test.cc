// A lost catalog, made again from keyring and packs: content by id, and nothing that is wrong.
#include "reelfs/core/rebuild.h"

#include <gtest/gtest.h>

#include <map>

#include "core/test_store.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::must;
using test::SeededRandom;
using test::StoreRig;

constexpr const char* kDatabase = "/data/store/catalog/catalog.db";

class RebuildTest : public ::testing::Test {
  protected:
    static CheckOptions options() {
        return {.directory = "/data/store",
                .unlock = test::test_key(),
                .memory_bytes = 64 << 20,
                .owner_uid = 12,
                .owner_gid = 34};
    }
    Result<RebuildReport> rebuild(StoreRig& rig) {
        Job job;
        return rebuild_catalog(rig.environment(), options(), job);
    }
    void expect_clean(StoreRig& rig) {
        Job job;
        const auto report = must(check_store(rig.environment(), options(), job));
        for (const Finding& finding : report.findings)
            EXPECT_EQ(finding.level, Finding::Level::kNote) << finding.text;
    }
    static NodeId recovered(StoreRig& rig, ContainerId container) {
        return must(rig.tree().lookup(kRootNode, "recovered-" + std::to_string(container.value())))
            .node;
    }
    static std::string name_of(NodeId node) { return "node-" + std::to_string(node.value()); }
    SeededRandom random_;
};

TEST_F(RebuildTest, ContentComesBackByIdAndTheStoreIsWell) {
    StoreRig rig(random_);
    const NodeId films = rig.container("films"), music = rig.container("music");
    const ContainerId films_id = must(rig.tree().container("films")).container;
    const ContainerId music_id = must(rig.tree().container("music")).container;
    std::map<NodeId, std::vector<std::byte>> of_films, of_music;
    const auto put = [&](NodeId c, const std::string& name, std::size_t size, auto& into) {
        const auto bytes = rig.noise(size);
        rig.put(c, name, bytes);
        into[must(rig.tree().lookup(c, name)).node] = bytes;
    };
    put(films, "a", 20'000, of_films);
    put(films, "b", 3'000'000, of_films);
    put(music, "c", 300'000, of_music);
    const auto folder = must(rig.tree().make_directory({}, films, "deep", 0755));
    put(folder.node, "d", 50'000, of_films);
    // Overwritten inside, and cut.
    const NodeId b = must(rig.tree().lookup(films, "b")).node;
    auto file = must(rig.tree().open(b, {.read = true, .write = true}));
    const auto piece = rig.noise(100'000);
    must(rig.tree().write({}, *file, 777'777, piece));
    must(rig.tree().fsync(*file));
    rig.tree().release(file);
    std::copy(piece.begin(), piece.end(), of_films[b].begin() + 777'777);
    rig.close();
    must(rig.disk().remove(kDatabase));
    EXPECT_FALSE(rig.try_open().ok());
    const RebuildReport report = must(rebuild(rig));
    EXPECT_EQ(report.containers, 2u);
    EXPECT_EQ(report.files, 4u);
    EXPECT_EQ(report.unreadable, 0u);
    expect_clean(rig);
    rig.open();
    for (const auto& [node, bytes] : of_films)
        EXPECT_EQ(rig.content(recovered(rig, films_id), name_of(node)), bytes) << node.value();
    for (const auto& [node, bytes] : of_music)
        EXPECT_EQ(rig.content(recovered(rig, music_id), name_of(node)), bytes) << node.value();
    const auto attributes = must(rig.tree().lookup(recovered(rig, films_id), name_of(b)));
    EXPECT_EQ(attributes.node, b);
    EXPECT_EQ(attributes.uid, 12u);
    EXPECT_EQ(attributes.mode, 0600u);
    // And it goes on as a store.
    const auto fresh = rig.noise(100'000);
    rig.put(recovered(rig, films_id), "fresh", fresh);
    rig.reopen();
    EXPECT_EQ(rig.content(recovered(rig, films_id), "fresh"), fresh);
    rig.close();
    expect_clean(rig);
    rig.open();
}

TEST_F(RebuildTest, DamagedBlocksAreHolesAndTheRestIsThere) {
    StoreRig rig(random_);
    const NodeId films = rig.container("films");
    const ContainerId id = must(rig.tree().container("films")).container;
    const auto bytes = rig.noise(500'000);
    rig.put(films, "a", bytes);
    const NodeId node = must(rig.tree().lookup(films, "a")).node;
    rig.close();
    const std::string top = "/data/store/packs";
    const std::string bucket = top + "/" + must(rig.disk().list(top)).at(0);
    rig.disk().damage(bucket + "/" + must(rig.disk().list(bucket)).at(0), 200'000, bytes_of("!"));
    rig.disk().damage(kDatabase, 4096 * 2 + 5, bytes_of("!"));
    const RebuildReport report = must(rebuild(rig));
    EXPECT_NE(report.set_aside, "");
    EXPECT_TRUE(must(rig.disk().exists(report.set_aside)));
    expect_clean(rig);
    rig.open();
    const auto back = rig.content(recovered(rig, id), name_of(node));
    ASSERT_EQ(back.size(), bytes.size());
    std::size_t lost = 0;
    for (std::size_t i = 0; i < back.size(); ++i) {
        if (back[i] == bytes[i]) continue;
        EXPECT_EQ(back[i], std::byte{});
        ++lost;
    }
    EXPECT_GT(lost, 4'000u);
    EXPECT_LE(lost, 16'384u);
}

TEST_F(RebuildTest, SharedContentComesBackOnceAndRight) {
    for (const bool rotated : {false, true}) {
        StoreRig rig(random_);
        const NodeId films = rig.container("films");
        const ContainerId id = must(rig.tree().container("films")).container;
        const auto bytes = rig.noise(1'000'000), piece = rig.noise(100'000);
        rig.put(films, "a", bytes);
        rig.copy(films, "a", "b");
        const NodeId a = must(rig.tree().lookup(films, "a")).node;
        const NodeId b = must(rig.tree().lookup(films, "b")).node;
        auto file = must(rig.tree().open(b, {.read = true, .write = true}));
        must(rig.tree().write({}, *file, 400'000, piece));
        must(rig.tree().fsync(*file));
        rig.tree().release(file);
        auto changed = bytes;
        std::copy(piece.begin(), piece.end(), changed.begin() + 400'000);
        Job job;
        if (rotated) {
            EXPECT_TRUE(must(rig.volume().rotate_key("films", job)).complete);
        }
        rig.close();
        must(rig.disk().remove(kDatabase));
        must(rebuild(rig));
        expect_clean(rig);
        rig.open();
        // Whose it is said to be has all of it; nobody has a byte that is not his.
        const auto of_a = rig.content(recovered(rig, id), name_of(a));
        const auto of_b = rig.content(recovered(rig, id), name_of(b));
        EXPECT_EQ(rotated ? of_b : of_a, rotated ? changed : bytes);
        const auto expect_part = [](const std::vector<std::byte>& part,
                                    const std::vector<std::byte>& whole) {
            ASSERT_LE(part.size(), whole.size());
            for (std::size_t i = 0; i < part.size(); ++i)
                ASSERT_TRUE(part[i] == std::byte{} || part[i] == whole[i]) << i;
        };
        expect_part(of_a, bytes);
        expect_part(of_b, changed);
    }
}

TEST_F(RebuildTest, AGoodCatalogIsNotRebuilt) {
    StoreRig rig(random_);
    rig.put(rig.container("films"), "a", rig.noise(50'000));
    rig.close();
    const auto refused = rebuild(rig);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), Errc::kExists);
    rig.open();
    EXPECT_EQ(rig.content(rig.container("films"), "a").size(), 50'000u);
}

TEST_F(RebuildTest, ARebuildThatFailsAnywhereCanBeDoneAgain) {
    // Each call to the disk at full scale, else one in so many.
    const std::uint64_t apart = test::full_scale() ? 1 : 20;
    std::uint64_t cuts = 0;
    for (std::uint64_t n = 1 + random_.below(apart);; n += 1 + random_.below(2 * apart - 1)) {
        StoreRig rig(random_);
        const NodeId films = rig.container("films");
        const ContainerId id = must(rig.tree().container("films")).container;
        const auto bytes = rig.noise(50'000);
        rig.put(films, "a", bytes);
        const NodeId node = must(rig.tree().lookup(films, "a")).node;
        rig.close();
        must(rig.disk().remove(kDatabase));
        must(rig.disk().sync_directory("/data/store/catalog"));
        rig.disk().cut_power_at(n);
        const bool whole = rebuild(rig).ok();
        rig.replace_disk_closed(rig.disk().crash(test::Crash::kMixed, random_));
        auto again = rebuild(rig);
        EXPECT_TRUE(again.ok() || again.error().code() == Errc::kExists) << again.error().message();
        rig.open();
        EXPECT_EQ(rig.content(recovered(rig, id), name_of(node)), bytes);
        if (whole) return test::print_scale("power cuts in a rebuild", cuts, n - 1);
        ++cuts;
    }
}

}  // namespace
}  // namespace reelfs::core
