// A lost catalog, made again from keyring and packs: content by id, and nothing that is wrong.
#include "reelfs/core/rebuild.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/catalog/catalog.h"
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
    static std::string smallest_pack(StoreRig& rig) {
        const std::string top = "/data/store/packs";
        std::string found;
        std::uint64_t smallest = UINT64_MAX;
        for (const std::string& bucket : must(rig.disk().list(top)))
            for (const std::string& name : must(rig.disk().list(top + "/" + bucket))) {
                const std::string path = top + "/" + bucket + "/" + name;
                const auto size = must(must(rig.disk().open(path, OpenMode::kRead))->size());
                if (size >= smallest) continue;
                smallest = size;
                found = path;
            }
        return found;
    }
    /// Every piece of the file is as expected, or an error: how many bytes are.
    static std::uint64_t expect_error_or(StoreRig& rig, NodeId parent, const std::string& name,
                                         const std::vector<std::byte>& expected) {
        const auto attributes = must(rig.tree().lookup(parent, name));
        EXPECT_EQ(attributes.size, expected.size());
        auto file = must(rig.tree().open(attributes.node, {.read = true}));
        std::uint64_t errors = 0;
        std::vector<std::byte> piece(4096);
        for (std::size_t at = 0; at < expected.size(); at += piece.size()) {
            const std::size_t length = std::min(piece.size(), expected.size() - at);
            auto read = rig.tree().read(*file, at, MutableBytes(piece).first(length));
            if (!read) {
                EXPECT_EQ(read.error().code(), Errc::kCorrupt) << read.error().message();
                errors += length;
                continue;
            }
            EXPECT_TRUE(std::equal(piece.begin(),
                                   piece.begin() + static_cast<std::ptrdiff_t>(length),
                                   expected.begin() + static_cast<std::ptrdiff_t>(at)))
                << at;
        }
        rig.tree().release(file);
        return errors;
    }
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

TEST_F(RebuildTest, DamagedBlocksAreErrorsAndTheRestIsThere) {
    StoreRig rig(random_);
    const NodeId films = rig.container("films");
    const ContainerId id = must(rig.tree().container("films")).container;
    const auto bytes = rig.noise(500'000);
    rig.put(films, "a", bytes);
    const NodeId node = must(rig.tree().lookup(films, "a")).node;
    rig.close();
    rig.disk().flip(smallest_pack(rig), 200'000);
    rig.disk().flip(kDatabase, 4096 * 2 + 5);
    const RebuildReport report = must(rebuild(rig));
    EXPECT_NE(report.set_aside, "");
    EXPECT_TRUE(must(rig.disk().exists(report.set_aside)));
    EXPECT_EQ(report.bytes, bytes.size());
    EXPECT_GT(report.damaged_bytes, 4'000u);
    EXPECT_LE(report.damaged_bytes, 16'384u);
    rig.open();
    EXPECT_EQ(expect_error_or(rig, recovered(rig, id), name_of(node), bytes), report.damaged_bytes);
}

/// A block that was overwritten and not given back is there still; it is not shown where the one
/// that replaced it is damaged.
TEST_F(RebuildTest, OlderContentDoesNotShowThroughDamage) {
    StoreRig rig(random_);
    const NodeId films = rig.container("films");
    const ContainerId id = must(rig.tree().container("films")).container;
    auto bytes = rig.noise(200'000);
    rig.put(films, "a", bytes);
    const NodeId node = must(rig.tree().lookup(films, "a")).node;
    auto file = must(rig.tree().open(node, {.read = true, .write = true}));
    const auto piece = rig.noise(50'000);
    must(rig.tree().write({}, *file, 65'536, piece));
    must(rig.tree().fsync(*file));
    rig.tree().release(file);
    std::copy(piece.begin(), piece.end(), bytes.begin() + 65'536);
    rig.replace_disk_closed(rig.disk().kill());  // nothing was given back yet
    // The second extent, which is behind the first or in a pack of its own.
    rig.disk().flip(smallest_pack(rig),
                    must(read_file(rig.disk(), smallest_pack(rig), 1 << 24)).size() - 25'000);
    must(rig.disk().remove(kDatabase));
    const RebuildReport report = must(rebuild(rig));
    EXPECT_GT(report.damaged_bytes, 0u);
    rig.open();
    EXPECT_EQ(expect_error_or(rig, recovered(rig, id), name_of(node), bytes), report.damaged_bytes);
}

TEST_F(RebuildTest, WhatWasGivenBackIsAHoleAndNoDamage) {
    for (int round = 0; round < 10; ++round) {
        StoreRig rig(random_);
        const NodeId films = rig.container("films");
        const ContainerId id = must(rig.tree().container("films")).container;
        auto bytes = rig.noise(1'000'000);
        rig.put(films, "a", bytes);
        const NodeId node = must(rig.tree().lookup(films, "a")).node;
        auto file = must(rig.tree().open(node, {.read = true, .write = true}));
        const auto piece = rig.noise(100'000);
        const std::size_t at = random_.below(400'000), hole = 500'000 + random_.below(200'000);
        must(rig.tree().write({}, *file, at, piece));
        std::copy(piece.begin(), piece.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
        must(rig.tree().allocate({}, *file, AllocateMode::kPunchHole, hole, 200'000));
        must(rig.tree().fsync(*file));
        rig.tree().release(file);
        const auto punched = rig.disk().calls(test::DiskCall::kPunch);
        rig.reopen();
        rig.close();
        ASSERT_GT(rig.disk().calls(test::DiskCall::kPunch), punched);
        must(rig.disk().remove(kDatabase));
        const RebuildReport report = must(rebuild(rig));
        EXPECT_EQ(report.damaged_bytes, 0u);
        expect_clean(rig);
        rig.open();
        const auto back = rig.content(recovered(rig, id), name_of(node));
        ASSERT_EQ(back.size(), bytes.size());
        // The edges of the hole may have come back: blocks that were not given back.
        for (std::size_t i = 0; i < bytes.size(); ++i)
            ASSERT_TRUE(back[i] == bytes[i] ||
                        (back[i] == std::byte{} && i >= hole && i < hole + 200'000))
                << i;
    }
}

TEST_F(RebuildTest, BadSectorsCostWhatIsInThem) {
    StoreRig rig(random_);
    const NodeId films = rig.container("films");
    const ContainerId id = must(rig.tree().container("films")).container;
    const auto bytes = rig.noise(500'000), other = rig.noise(30'000);
    rig.put(films, "a", bytes);
    rig.put(films, "b", other);
    const NodeId a = must(rig.tree().lookup(films, "a")).node;
    rig.close();
    // In content, and in the catalog, which is lost by that.
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        const std::uint64_t bad = call.path.ends_with(".pack") ? 200'000 : 4096 * 2 + 5;
        if (call.kind == test::DiskCall::kRead && call.path.find(".new") == std::string::npos &&
            call.path.find("rebuild") == std::string::npos && !call.path.ends_with("/keyring") &&
            call.offset <= bad && bad < call.offset + call.length)
            return test::DiskFault{};
        return std::nullopt;
    });
    const RebuildReport report = must(rebuild(rig));
    rig.disk().set_hook({});
    EXPECT_EQ(report.files, 2u);
    EXPECT_GT(report.damaged_bytes, 0u);
    EXPECT_LE(report.damaged_bytes, 16'384u);
    rig.open();
    // They can be read again, as some can.
    EXPECT_EQ(rig.content(recovered(rig, id), name_of(a)), bytes);
}

TEST_F(RebuildTest, APackInTwoZonesIsTakenOnce) {
    test::SimDisk disk;
    disk.prepare("/data");
    disk.prepare("/zone");
    test::ManualClock clock;
    const Environment environment{disk, random_, clock};
    CreateOptions create;
    create.directory = "/data/store";
    create.zones = {"/zone"};
    create.unlock = test::test_key();
    must(create_store(environment, create));
    const OpenOptions open{.directory = "/data/store",
                           .unlock = test::test_key(),
                           .memory_bytes = 64 << 20,
                           .background_barrier_ms = 0};
    std::vector<std::byte> bytes(100'000);
    random_.fill(bytes);
    {
        auto volume = must(open_store(environment, open));
        Tree& tree = volume->tree();
        const NodeId c =
            must(tree.create_container({}, "c", {.mode = 0755, .block_bytes = {}, .profile = {}}))
                .root;
        auto made = must(tree.create({}, c, "f", 0644, {.read = true, .write = true}));
        must(tree.write({}, *made.file, 0, bytes));
        must(tree.flush(*made.file));
        tree.release(made.file);
        must(volume->close());
    }
    std::size_t copied = 0;
    for (const std::string& zone : {std::string("/data/store"), std::string("/zone")})
        for (const std::string& bucket : must(disk.list(zone + "/packs")))
            for (const std::string& name : must(disk.list(zone + "/packs/" + bucket))) {
                const std::string other =
                    (zone == "/zone" ? "/data/store" : "/zone") + std::string("/packs/") + bucket;
                if (must(disk.exists(other + "/" + name))) continue;
                must(disk.make_directory(other));
                must(replace_file(
                    disk, other + "/" + name,
                    must(read_file(disk, zone + "/packs/" + bucket + "/" + name, 1 << 24))));
                ++copied;
            }
    ASSERT_EQ(copied, 1u);
    must(disk.remove(kDatabase));
    Job job;
    EXPECT_EQ(must(rebuild_catalog(environment, options(), job)).files, 1u);
    must(must(open_store(environment, open))->close());
}

/// Neither the first start after a catalog was lost makes an empty one, nor does the next believe
/// one that is empty: it would set all packs aside and forget all keys.
TEST_F(RebuildTest, ALostCatalogIsRefusedAtEachStartAndRebuilt) {
    for (const bool empty : {false, true}) {
        StoreRig rig(random_);
        const NodeId films = rig.container("films");
        const ContainerId id = must(rig.tree().container("films")).container;
        const auto bytes = rig.noise(50'000);
        rig.put(films, "a", bytes);
        const NodeId node = must(rig.tree().lookup(films, "a")).node;
        rig.close();
        must(rig.disk().remove(kDatabase));
        auto log = rig.disk().remove(std::string(kDatabase) + "-wal");
        EXPECT_TRUE(log.ok() || log.error().code() == Errc::kNotFound);
        auto keyring = must(load_keyring(rig.disk(), "/data/store/keyring", test::test_key()));
        if (empty) {
            must(catalog::open_catalog(rig.disk(), random_, keyring.page_key(),
                                       {"/data/store/catalog", 4 << 20}));
        }
        const auto before = must(read_file(rig.disk(), "/data/store/keyring", 1 << 20));
        const std::string pack = smallest_pack(rig);
        for (int start = 0; start < 2; ++start) {
            const auto opened = rig.try_open();
            ASSERT_FALSE(opened.ok());
            EXPECT_EQ(opened.error().code(), Errc::kCorrupt);
            EXPECT_NE(opened.error().message().find("--rebuild"), std::string::npos);
        }
        EXPECT_EQ(must(read_file(rig.disk(), "/data/store/keyring", 1 << 20)), before);
        EXPECT_EQ(smallest_pack(rig), pack);
        EXPECT_EQ(must(rig.disk().exists(kDatabase)), empty);
        Job job;
        EXPECT_TRUE(must(check_store(rig.environment(), options(), job)).damage_is_left());
        must(rebuild(rig));
        rig.open();
        EXPECT_EQ(rig.content(recovered(rig, id), name_of(node)), bytes);
    }
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
