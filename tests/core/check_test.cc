// fsck: nothing is found in a store that is well, whatever was done to it; what is broken is found,
// named, and repaired where that loses nothing; and a check writes nothing.
#include "reelfs/core/check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/catalog/catalog.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::Crash;
using test::DiskCall;
using test::must;
using test::SeededRandom;
using test::StoreRig;

constexpr const char* kStore = "/data/store";

class CheckTest : public ::testing::Test {
  protected:
    CheckReport check(StoreRig& rig, bool repair = false) {
        Job job;
        return must(check_store(rig.environment(), options(repair), job));
    }
    static CheckOptions options(bool repair) {
        return {.directory = kStore,
                .unlock = test::test_key(),
                .repair = repair,
                .content = true,
                .memory_bytes = 64 << 20};
    }
    static std::string text_of(const CheckReport& report) {
        std::string text;
        for (const Finding& finding : report.findings)
            text += (finding.level == Finding::Level::kNote ? "note: " : "damage: ") +
                    finding.text + (finding.repaired ? " (repaired)\n" : "\n");
        return text;
    }
    /// Changes rows behind everybody's back, in a store that is closed.
    void change_rows(StoreRig& rig, const std::function<Result<void>(catalog::Writer&)>& change) {
        auto keyring =
            must(load_keyring(rig.disk(), std::string(kStore) + "/keyring", test::test_key()));
        auto opened = must(catalog::open_catalog(rig.disk(), random_, keyring.page_key(),
                                                 {std::string(kStore) + "/catalog", 4 << 20}));
        must(opened.catalog->write(change));
        must(opened.catalog->close());
    }
    /// Finds something, repairs it, and finds nothing afterwards.
    void expect_repaired(StoreRig& rig, std::string_view words) {
        const CheckReport found = check(rig);
        EXPECT_NE(text_of(found).find(words), std::string::npos) << text_of(found);
        EXPECT_FALSE(found.clean());
        const CheckReport repaired = check(rig, true);
        EXPECT_FALSE(repaired.damage_is_left()) << text_of(repaired);
        const CheckReport after = check(rig);
        EXPECT_TRUE(after.clean()) << text_of(after);
    }
    static std::set<std::string> packs_of(StoreRig& rig) {
        std::set<std::string> packs;
        const std::string top = std::string(kStore) + "/packs";
        for (const std::string& bucket : must(rig.disk().list(top)))
            for (const std::string& name : must(rig.disk().list(top + "/" + bucket)))
                packs.insert(top + "/" + bucket + "/" + name);
        return packs;
    }
    SeededRandom random_;
};

TEST_F(CheckTest, AStoreThatIsWellIsCleanAndNothingIsWritten) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "small", rig.noise(100));
    rig.put(c, "large", rig.noise(300'000));
    must(rig.tree().make_directory({}, c, "folder", 0755));
    must(rig.tree().set_xattr(c, "user.note", bytes_of("x"), XattrMode::kSet));
    for (const bool clean_stop : {true, false}) {
        // Killed, recovery runs, on the disk that a check may not write to.
        if (clean_stop)
            rig.close();
        else
            rig.replace_disk_closed(rig.disk().kill());
        std::vector<std::uint64_t> before;
        constexpr DiskCall kChanges[] = {DiskCall::kWrite,         DiskCall::kTruncate,
                                         DiskCall::kPunch,         DiskCall::kAllocate,
                                         DiskCall::kMakeDirectory, DiskCall::kRename,
                                         DiskCall::kRemove,        DiskCall::kRemoveDirectory};
        for (const DiskCall call : kChanges) before.push_back(rig.disk().calls(call));
        const CheckReport report = check(rig);
        EXPECT_TRUE(report.clean()) << text_of(report);
        EXPECT_EQ(report.extents, 2u);
        EXPECT_EQ(report.packs, 1u);
        EXPECT_GT(report.content_bytes, 300'000u);
        std::size_t i = 0;
        for (const DiskCall call : kChanges) EXPECT_EQ(rig.disk().calls(call), before[i++]);
        rig.open();
    }
}

TEST_F(CheckTest, DamagedContentIsNamedByContainerPathAndRange) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto folder = must(rig.tree().make_directory({}, c, "deep", 0755));
    rig.put(folder.node, "clip.mp4", rig.noise(300'000));
    rig.put(folder.node, "other", rig.noise(20'000));
    rig.close();
    // The middle of the first extent: a byte of one block.
    const std::string pack = *packs_of(rig).begin();
    rig.disk().flip(pack, 160'000);
    const CheckReport report = check(rig);
    ASSERT_EQ(report.findings.size(), 1u) << text_of(report);
    const std::string& text = report.findings[0].text;
    EXPECT_TRUE(text.starts_with("/films/deep/")) << text;
    EXPECT_NE(text.find(" are damaged"), std::string::npos) << text;
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_TRUE(check(rig, true).damage_is_left());
}

TEST_F(CheckTest, APackThatIsCutOrGoneIsFound) {
    for (const bool gone : {false, true}) {
        StoreRig rig(random_);
        rig.put(rig.container("films"), "clip", rig.noise(300'000));
        rig.close();
        const std::string pack = *packs_of(rig).begin();
        if (gone) {
            must(rig.disk().remove(pack));
        } else {
            auto file = must(rig.disk().open(pack, OpenMode::kReadWrite));
            must(file->truncate(100'000));
        }
        const CheckReport report = check(rig);
        EXPECT_TRUE(report.damage_is_left());
        EXPECT_NE(text_of(report).find(gone ? "is missing" : "ends at"), std::string::npos)
            << text_of(report);
        EXPECT_NE(text_of(report).find("/films/clip: bytes"), std::string::npos) << text_of(report);
    }
}

TEST_F(CheckTest, APackNobodyKnowsIsANoteAndNoDamage) {
    StoreRig rig(random_);
    rig.put(rig.container(), "f", rig.noise(30'000));
    rig.close();
    must(rig.disk().make_directory(std::string(kStore) + "/packs/ab"));
    must(replace_file(rig.disk(),
                      std::string(kStore) + "/packs/ab/ab00000000000000000000000000000c.pack",
                      bytes_of("who am I")));
    const CheckReport report = check(rig);
    EXPECT_TRUE(report.clean()) << text_of(report);
    EXPECT_NE(text_of(report).find("is not known to the catalog"), std::string::npos);
}

TEST_F(CheckTest, ADamagedCatalogPageIsFound) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (int i = 0; i < 300; ++i) rig.put(c, "file " + std::to_string(i), rig.noise(50));
    rig.close();
    rig.disk().flip(std::string(kStore) + "/catalog/catalog.db", 8 * 4096 + 77);
    const CheckReport report = check(rig);
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_NE(text_of(report).find("catalog page 9"), std::string::npos) << text_of(report);
}

TEST_F(CheckTest, AMissingCatalogIsFoundAndNotMade) {
    StoreRig rig(random_);
    rig.container();
    rig.close();
    must(rig.disk().remove(std::string(kStore) + "/catalog/catalog.db"));
    const CheckReport report = check(rig, true);
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_NE(text_of(report).find("--rebuild"), std::string::npos) << text_of(report);
    EXPECT_FALSE(must(rig.disk().exists(std::string(kStore) + "/catalog/catalog.db")));
}

TEST_F(CheckTest, ALostFileAndALostFolderComeBackInLostAndFound) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(30'000);
    rig.put(c, "file", bytes);
    const auto folder = must(rig.tree().make_directory({}, c, "folder", 0755));
    rig.put(folder.node, "inside", bytes);
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_CHECK(w.delete_entry(c, "file"));
        return w.delete_entry(c, "folder");
    });
    expect_repaired(rig, "no path leads to node");
    rig.open();
    const NodeId found = must(rig.tree().lookup(rig.container("films"), "lost+found")).node;
    EXPECT_EQ(rig.content(found, "#" + std::to_string(file.value())), bytes);
    const NodeId back =
        must(rig.tree().lookup(found, "#" + std::to_string(folder.node.value()))).node;
    EXPECT_EQ(rig.content(back, "inside"), bytes);
    EXPECT_EQ(must(rig.tree().parent_of(back)), found);
}

TEST_F(CheckTest, FoldersInACircleComeBack) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const NodeId a = must(rig.tree().make_directory({}, c, "a", 0755)).node;
    const NodeId b = must(rig.tree().make_directory({}, a, "b", 0755)).node;
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_CHECK(w.delete_entry(c, "a"));
        RF_CHECK(w.insert_entry(b, {.name = "a", .node = a, .type = NodeType::kDirectory}));
        RF_TRY(auto row, w.node(a));
        row->parent = b;
        return w.update_node(*row);
    });
    expect_repaired(rig, "no path leads to node");
    rig.open();
    const NodeId found = must(rig.tree().lookup(rig.container("films"), "lost+found")).node;
    const NodeId top = must(rig.tree().lookup(found, "#" + std::to_string(a.value()))).node;
    EXPECT_EQ(must(rig.tree().lookup(top, "b")).node, b);
}

/// In a circle and below it; the one below has the lowest id, and keeps its name and its place.
TEST_F(CheckTest, WhatIsBelowACircleKeepsItsName) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "file", rig.noise(100));
    const NodeId below = must(rig.tree().make_directory({}, c, "below", 0755)).node;
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    const NodeId a = must(rig.tree().make_directory({}, c, "a", 0755)).node;
    const NodeId b = must(rig.tree().make_directory({}, a, "b", 0755)).node;
    must(rig.tree().rename(c, "file", b, "file", RenameMode::kReplace));
    must(rig.tree().rename(c, "below", b, "below", RenameMode::kReplace));
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_CHECK(w.delete_entry(c, "a"));
        RF_CHECK(w.insert_entry(b, {.name = "a", .node = a, .type = NodeType::kDirectory}));
        RF_TRY(auto row, w.node(a));
        row->parent = b;
        return w.update_node(*row);
    });
    expect_repaired(rig, "no path leads to node");
    rig.open();
    const NodeId found = must(rig.tree().lookup(rig.container("films"), "lost+found")).node;
    const auto names = must(rig.tree().attributes(found));
    EXPECT_EQ(names.links, 3u) << "more than one folder came";
    const auto top = rig.tree().lookup(found, "#" + std::to_string(a.value()));
    const NodeId at = top ? must(rig.tree().lookup(top->node, "b")).node
                          : must(rig.tree().lookup(found, "#" + std::to_string(b.value()))).node;
    EXPECT_EQ(must(rig.tree().lookup(at, "file")).node, file);
    EXPECT_EQ(must(rig.tree().lookup(at, "below")).node, below);
}

TEST_F(CheckTest, WhatIsLostGoesBesideALostAndFoundThatIsNoFolder) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(20'000);
    rig.put(c, "lost+found", bytes);
    rig.put(c, "file", bytes);
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) { return w.delete_entry(c, "file"); });
    expect_repaired(rig, "no path leads to node");
    rig.open();
    const NodeId films = rig.container("films");
    EXPECT_EQ(rig.content(films, "lost+found"), bytes);
    const NodeId found = must(rig.tree().lookup(films, "lost+found-2")).node;
    EXPECT_EQ(rig.content(found, "#" + std::to_string(file.value())), bytes);
}

TEST_F(CheckTest, AContainerWithoutItsNameIsToldAndTheRepairEnds) {
    StoreRig rig(random_);
    rig.put(rig.container("films"), "file", rig.noise(20'000));
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_CHECK(w.delete_entry(kRootNode, "films"));
        return w.set_usage(ContainerId(1), {.bytes = 1, .objects = 1});  // something to repair
    });
    const CheckReport report = check(rig, true);
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_NE(text_of(report).find("container 1 has no name in the root"), std::string::npos)
        << text_of(report);
}

TEST_F(CheckTest, WhatRowsSayOfEachOtherIsPutRight) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "file", rig.noise(30'000));
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    const NodeId folder = must(rig.tree().make_directory({}, c, "folder", 0755)).node;
    rig.close();
    const auto change_node = [&](NodeId id, const std::function<void(catalog::NodeRow&)>& change) {
        change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
            RF_TRY(auto row, w.node(id));
            change(*row);
            return w.update_node(*row);
        });
    };
    change_node(file, [](catalog::NodeRow& row) { row.attributes.links = 5; });
    expect_repaired(rig, "/films/file: node");
    change_node(folder, [](catalog::NodeRow& row) { row.attributes.links = 9; });
    expect_repaired(rig, "/films/folder: folder");
    change_node(folder, [](catalog::NodeRow& row) { row.attributes.links = 0; });
    expect_repaired(rig, "/films/folder: folder");
    change_node(folder, [](catalog::NodeRow& row) { row.parent = kRootNode; });
    expect_repaired(rig, "says it lies in");
    change_node(file, [](catalog::NodeRow& row) { row.has_xattrs = true; });
    expect_repaired(rig, "extended attributes");
    change_node(file, [](catalog::NodeRow& row) { row.attributes.allocated_bytes = 512; });
    expect_repaired(rig, "says it occupies");
    change_rows(rig, [&](catalog::Writer& w) {
        return w.insert_entry(c,
                              {.name = "ghost", .node = NodeId(999'999), .type = NodeType::kFile});
    });
    expect_repaired(rig, "which does not exist");
    change_rows(rig, [&](catalog::Writer& w) {
        return w.replace_entry(c, {.name = "file", .node = file, .type = NodeType::kSymlink});
    });
    expect_repaired(rig, "says type");
    change_rows(rig, [&](catalog::Writer& w) {
        return w.set_xattr(NodeId(888'888), "user.x", bytes_of("y"));
    });
    expect_repaired(rig, "an attribute");
    rig.open();
    EXPECT_EQ(must(rig.tree().lookup(rig.container("films"), "file")).links, 1u);
    EXPECT_EQ(must(rig.tree().lookup(rig.container("films"), "folder")).node, folder);
}

TEST_F(CheckTest, WhatExpiresStandsInTheQueueUnderItsName) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    must(rig.tree().put_document("films", DocumentKind::kLifecycle,
                                 R"({"rules":[{"definition":{"path":[{"wildcard":"*.ts"}],
        "seconds_since_create":[{"numeric":[">=",10]}]},"action":"EXPIRE"}]})"));
    rig.put(c, "a.ts", rig.noise(30'000));
    const NodeId file = must(rig.tree().lookup(c, "a.ts")).node;
    rig.close();
    EXPECT_TRUE(check(rig).clean()) << text_of(check(rig));
    constexpr std::string_view kNotQueued = "/films/a.ts: node";
    change_rows(rig, [&](catalog::Writer& w) { return w.delete_expiry(file); });
    expect_repaired(rig, kNotQueued);
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(auto row, w.expiry(file));
        row->name = "b.ts";
        return w.put_expiry(*row);
    });
    expect_repaired(rig, kNotQueued);
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(auto row, w.expiry(file));
        row->node = NodeId(999'999);
        return w.put_expiry(*row);
    });
    expect_repaired(rig, "is no file");
    // A check goes on finding it well when its time has come, and it goes.
    rig.clock().advance_ms(11'000);
    EXPECT_TRUE(check(rig).clean()) << text_of(check(rig));
    rig.background_ms = 20;
    rig.open();
    while (must(rig.tree().space()).nodes > 2) std::this_thread::yield();
}

TEST_F(CheckTest, RoomIsAccountedForAndNeverGivenBackUnderContent) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(300'000);
    rig.put(c, "file", bytes);
    rig.close();
    catalog::PackRow pack;
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(const auto packs, w.packs());
        pack = packs.at(0);
        return w.set_live_bytes(pack.pack, 12'345);
    });
    expect_repaired(rig, "says 12345 of its bytes are in use");
    change_rows(rig, [&](catalog::Writer& w) { return w.insert_freed({pack.pack, 8192, 65'536}); });
    expect_repaired(rig, "are to be given back, and extent");
    rig.open();
    EXPECT_EQ(rig.content(rig.container("films"), "file"), bytes);
}

TEST_F(CheckTest, AnExtentWhoseFileIsGoneIsTakenAway) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "file", rig.noise(300'000));
    rig.put(c, "kept", rig.noise(100'000));
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(const auto slices, w.slices(file, 0, 256));
        for (const auto& row : slices) RF_CHECK(w.delete_slice(file, row.slice.file_offset));
        RF_CHECK(w.delete_entry(c, "file"));
        return w.delete_node(file);
    });
    expect_repaired(rig, "belongs to no file");
}

/// A page of slices that was written and never reached the disk: the one before it stands there.
TEST_F(CheckTest, ContentWhoseFileIsThereIsNeverTakenAway) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(300'000);
    rig.put(c, "file", bytes);
    rig.copy(c, "file", "copy");
    rig.put(c, "alone", bytes);
    rig.put(c, "small", rig.noise(100));  // in the catalog
    std::vector<std::pair<NodeId, Slice>> lost;
    for (const char* name : {"file", "copy", "alone", "small"})
        lost.push_back({must(rig.tree().lookup(c, name)).node, {}});
    const auto small = rig.content(c, "small");
    rig.close();
    const auto packs = packs_of(rig);
    std::map<NodeId, std::vector<Slice>> maps;
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        for (const auto& [node, none] : lost) {
            RF_TRY(const auto slices, w.slices(node, 0, 256));
            for (const auto& row : slices) {
                maps[node].push_back(row.slice);
                RF_CHECK(w.delete_slice(node, row.slice.file_offset));
            }
            RF_TRY(auto row, w.node(node));
            if (node == lost.back().first) row->attributes.links = 7;  // something to repair
            RF_CHECK(w.update_node(*row));
        }
        return done();
    });
    for (int round = 0; round < 2; ++round) {
        const CheckReport report = check(rig, true);
        EXPECT_TRUE(report.damage_is_left()) << text_of(report);
        EXPECT_NE(text_of(report).find("/films/alone: its extent"), std::string::npos)
            << text_of(report);
    }
    EXPECT_EQ(packs_of(rig), packs);
    // It was all kept: with the map put back, all is there.
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        for (const auto& [node, slices] : maps)
            for (const Slice& slice : slices) RF_CHECK(w.insert_slice(node, slice));
        return done();
    });
    const CheckReport after = check(rig, true);
    EXPECT_FALSE(after.damage_is_left()) << text_of(after);
    rig.open();
    const NodeId films = rig.container("films");
    for (const char* name : {"file", "copy", "alone"})
        EXPECT_EQ(rig.content(films, name), bytes) << name;
    EXPECT_EQ(rig.content(films, "small"), small);
}

TEST_F(CheckTest, ContentWhoseRowsAreLostStaysInItsPack) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(300'000);
    rig.put(c, "file", bytes);
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    rig.close();
    const auto packs = packs_of(rig);
    catalog::NodeRow node;
    std::vector<catalog::SliceRow> slices;
    const auto repair = [&](const std::function<Result<void>(catalog::Writer&)>& lose) {
        change_rows(rig, lose);
        for (int round = 0; round < 2; ++round) EXPECT_TRUE(check(rig, true).damage_is_left());
        EXPECT_EQ(packs_of(rig), packs);
    };
    // The row of the file
    repair([&](catalog::Writer& w) -> Result<void> {
        RF_TRY(const auto row, w.node(file));
        node = *row;
        RF_TRY(slices, w.slices(file, 0, 256));
        for (const auto& one : slices) RF_CHECK(w.delete_slice(file, one.slice.file_offset));
        RF_CHECK(w.delete_node(file));
        for (const auto& one : slices) RF_CHECK(w.insert_slice(file, one.slice));
        return done();
    });
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_CHECK(w.insert_node(node));
        return w.replace_entry(c, {.name = "file", .node = file, .type = NodeType::kFile});
    });
    EXPECT_FALSE(check(rig, true).damage_is_left());
    // The rows of its extents
    repair([&](catalog::Writer& w) -> Result<void> {
        for (const auto& row : slices) RF_CHECK(w.delete_extent(row.slice.extent));
        return done();
    });
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        for (const auto& row : slices) RF_CHECK(w.insert_extent(row.extent, std::nullopt));
        return done();
    });
    const CheckReport after = check(rig, true);
    EXPECT_FALSE(after.damage_is_left()) << text_of(after);
    rig.open();
    EXPECT_EQ(rig.content(rig.container("films"), "file"), bytes);
}

/// Pages that are authentic and of another time than the rest: what was written last to one of them
/// never reached the disk. Nothing is made of it that is wrong, whatever a repair does.
TEST_F(CheckTest, AnOldPageOfTheCatalogIsNeverRepairedInto) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    std::map<std::string, std::vector<std::vector<std::byte>>> contents;  // that a file ever had
    const auto put = [&](const std::string& name) {
        contents[name].push_back(rig.noise(10'000 + random_.below(20'000)));
        if (rig.tree().lookup(c, name)) must(rig.tree().unlink(c, name));
        rig.put(c, name, contents[name].back());
    };
    for (int i = 0; i < 60; ++i) put("f" + std::to_string(i));
    rig.close();
    constexpr const char* kDatabase = "/data/store/catalog/catalog.db";
    const auto old = must(read_file(rig.disk(), kDatabase, 64 << 20));
    rig.open();
    for (int i = 0; i < 60; i += 2) put("f" + std::to_string(i));
    for (int i = 60; i < 200; ++i) put("f" + std::to_string(i));
    rig.close();
    const auto now = must(read_file(rig.disk(), kDatabase, 64 << 20));
    int contradictory = 0, repaired = 0;
    for (std::size_t at = 0; at < old.size(); at += 4096) {
        const Bytes page = Bytes(old).subspan(at, 4096);
        if (std::equal(page.begin(), page.end(), now.begin() + static_cast<std::ptrdiff_t>(at)))
            continue;
        auto before = rig.disk().kill();
        rig.disk().damage(kDatabase, at, page);
        const auto written = rig.disk().calls(DiskCall::kWrite);
        const CheckReport report = check(rig, true);
        const bool trees = text_of(report).find("the catalog's trees") != std::string::npos;
        if (trees) {
            ++contradictory;
            EXPECT_TRUE(report.damage_is_left());
            EXPECT_EQ(rig.disk().calls(DiskCall::kWrite), written) << text_of(report);
            EXPECT_TRUE(std::none_of(report.findings.begin(), report.findings.end(),
                                     [](const Finding& finding) { return finding.repairable; }))
                << text_of(report);
        } else if (!report.damage_is_left()) {
            ++repaired;
            rig.open();
            const auto listed = rig.tree().lookup(kRootNode, "films");
            for (const auto& [name, had] : contents) {
                if (!listed || !rig.tree().lookup(listed->node, name)) continue;
                EXPECT_NE(std::find(had.begin(), had.end(), rig.content(listed->node, name)),
                          had.end())
                    << "page " << at / 4096 << ", " << name << "\n"
                    << text_of(report);
            }
            rig.close();
        }
        rig.replace_disk_closed(std::move(before));
    }
    EXPECT_GT(contradictory, 0);
    std::cout << contradictory << " old pages contradict the rest, " << repaired
              << " could be repaired\n";
}

TEST_F(CheckTest, CountsOfSharedContentArePutRight) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(300'000);
    rig.put(c, "file", bytes);
    rig.copy(c, "file", "copy");
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    rig.close();
    EXPECT_TRUE(check(rig).clean()) << text_of(check(rig));
    const auto change_counts = [&](const std::function<void(std::vector<RefRun>&)>& change) {
        change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
            RF_TRY(const auto slices, w.slices(file, 0, 1));
            const ExtentId extent = slices.at(0).extent.shape.extent;
            RF_TRY(const auto before, w.shares(extent, 0, 1'000));
            auto after = before;
            change(after);
            return w.replace_shares(extent, before, after);
        });
    };
    change_counts([](std::vector<RefRun>& runs) { runs.at(0).refs = 1; });
    expect_repaired(rig, "are not counted as its 2 slices touch them");
    change_counts([](std::vector<RefRun>& runs) { runs.clear(); });
    expect_repaired(rig, "are not counted as its 2 slices touch them");
    rig.open();
    must(rig.tree().unlink(rig.container("films"), "file"));
    rig.reopen();
    EXPECT_EQ(rig.content(rig.container("films"), "copy"), bytes);
    rig.close();
    EXPECT_TRUE(check(rig).clean());
}

TEST_F(CheckTest, AnExtentWithTwoOwnersBecomesASharedOne) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    const auto bytes = rig.noise(300'000);
    rig.put(c, "file", bytes);
    auto empty = rig.create(c, "other");
    rig.tree().release(empty);
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    const NodeId other = must(rig.tree().lookup(c, "other")).node;
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(const auto slices, w.slices(file, 0, 256));
        RF_TRY(auto row, w.node(other));
        for (const auto& one : slices) RF_CHECK(w.insert_slice(other, one.slice));
        row->attributes.size = bytes.size();
        row->attributes.allocated_bytes = (bytes.size() + 511) / 512 * 512;
        return w.update_node(*row);
    });
    expect_repaired(rig, "is not shared, and stands at 0 of node");
    rig.open();
    must(rig.tree().unlink(rig.container("films"), "file"));
    rig.reopen();
    EXPECT_EQ(rig.content(rig.container("films"), "other"), bytes);
}

TEST_F(CheckTest, DamageOfSharedContentIsNamedForEachFile) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "clip", rig.noise(300'000));
    rig.copy(c, "clip", "copy");
    rig.close();
    rig.disk().flip(*packs_of(rig).begin(), 160'000);
    const CheckReport report = check(rig);
    ASSERT_EQ(report.findings.size(), 2u) << text_of(report);
    EXPECT_NE(text_of(report).find("/films/clip: bytes"), std::string::npos) << text_of(report);
    EXPECT_NE(text_of(report).find("/films/copy: bytes"), std::string::npos) << text_of(report);
}

TEST_F(CheckTest, WhatContainersHoldIsWhatAWalkAddsUpTo) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "file", rig.noise(30'000));
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(const auto containers, w.containers());
        return w.set_usage(containers.at(0).container, {.bytes = 5, .objects = 77});
    });
    expect_repaired(rig, "says it holds 5 bytes and 77 objects, and holds 30208 and 1");
    rig.open();
    EXPECT_EQ(must(rig.tree().container("films")).used, (Usage{.bytes = 30'208, .objects = 1}));
}

TEST_F(CheckTest, ADocumentOfNoContainerGoes) {
    StoreRig rig(random_);
    rig.container("films");
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) {
        return w.put_document({.container = ContainerId(4'711), .kind = "cors", .body = "{}"});
    });
    expect_repaired(rig, "a document \"cors\" of container 4711, which does not exist");
}

TEST_F(CheckTest, AHoleInAMapIsToldAndNotTurnedIntoZeros) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    rig.put(c, "file", rig.noise(300'000));
    const NodeId file = must(rig.tree().lookup(c, "file")).node;
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) -> Result<void> {
        RF_TRY(const auto slices, w.slices(file, 0, 1));
        return w.delete_extent(slices.at(0).extent.shape.extent);
    });
    const CheckReport report = check(rig, true);
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_NE(text_of(report).find("/films/file: bytes 0 to"), std::string::npos)
        << text_of(report);
}

TEST_F(CheckTest, CopiesOfTheKeyringAreMadeTheSameAgain) {
    SeededRandom& random = random_;
    test::SimDisk disk;
    disk.prepare("/data");
    disk.prepare("/zone");
    test::ManualClock clock;
    CreateOptions create;
    create.directory = kStore;
    create.zones = {"/zone"};
    create.unlock = test::test_key();
    const Environment environment{disk, random, clock};
    must(create_store(environment, create));
    const auto run = [&](bool repair) {
        Job job;
        return must(check_store(environment, options(repair), job));
    };
    EXPECT_TRUE(run(false).clean());
    disk.flip("/zone/keyring", 100);
    EXPECT_TRUE(run(false).damage_is_left());
    const CheckReport repaired = run(true);
    EXPECT_FALSE(repaired.clean());
    EXPECT_FALSE(repaired.damage_is_left()) << text_of(repaired);
    EXPECT_TRUE(run(false).clean()) << text_of(run(false));
}

TEST_F(CheckTest, WhatRecoveryCutsOffTheLogIsANote) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    must(rig.tree().sync());
    for (int i = 0; i < 5; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(100));
    auto after = rig.disk().kill();
    rig.replace_disk_closed(std::move(after));
    // The last frame of the log, as a power cut may leave it.
    const std::string log = std::string(kStore) + "/catalog/catalog.db-wal";
    must(must(rig.disk().open(log, OpenMode::kReadWrite))->sync());
    const auto bytes = must(read_file(rig.disk(), log, 64 << 20));
    std::size_t end = bytes.size();
    while (end > 0 && bytes[end - 1] == std::byte{}) --end;
    rig.disk().flip(log, end - 2'000);
    const CheckReport report = check(rig);
    EXPECT_TRUE(report.clean()) << text_of(report);
    EXPECT_NE(text_of(report).find("note: at the next start: the catalog's log: "),
              std::string::npos)
        << text_of(report);
    rig.open();
}

TEST_F(CheckTest, ACancelledCheckSaysSo) {
    StoreRig rig(random_);
    rig.put(rig.container("films"), "f", rig.noise(20'000));
    rig.close();
    for (const bool content : {false, true}) {
        Job job;
        job.cancel();
        CheckOptions how = options(false);
        how.content = content;
        const auto report = check_store(rig.environment(), how, job);
        ASSERT_FALSE(report.ok());
        EXPECT_EQ(report.error().code(), Errc::kCancelled);
    }
}

TEST_F(CheckTest, AWalkOverTheCatalogEndsWhereverItIsStopped) {
    StoreRig rig(random_);
    const NodeId c = rig.container("films");
    for (int i = 0; i < 400; ++i) rig.put(c, "f" + std::to_string(i), rig.noise(50));
    rig.close();
    change_rows(rig, [&](catalog::Writer& w) { return w.delete_entry(c, "f7"); });
    auto keyring =
        must(load_keyring(rig.disk(), std::string(kStore) + "/keyring", test::test_key()));
    auto opened = must(catalog::open_catalog(rig.disk(), random_, keyring.page_key(),
                                             {std::string(kStore) + "/catalog", 4 << 20}));
    const Timestamp now = rig.clock().now();
    int asked = 0, stop_at = 0;
    const catalog::GoOn go_on = [&]() -> Result<void> {
        if (++asked == stop_at) return Error(Errc::kCancelled, "enough");
        return done();
    };
    for (stop_at = 1;; ++stop_at) {
        asked = 0;
        const auto audited = opened.catalog->audit(catalog::AuditMode::kRepair, now, go_on);
        if (audited) break;
        ASSERT_EQ(audited.error().code(), Errc::kCancelled) << audited.error().message();
    }
    EXPECT_GT(stop_at, 30) << "not between any two rules";
    stop_at = 0;
    // What was stopped has changed nothing; the one that was not has.
    EXPECT_TRUE(must(opened.catalog->audit(catalog::AuditMode::kReport, now, go_on)).empty());
    must(opened.catalog->close());
}

TEST_F(CheckTest, ABadSectorOfTheCatalogIsDamageAndNamed) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    for (int i = 0; i < 300; ++i) rig.put(c, "file " + std::to_string(i), rig.noise(50));
    rig.close();
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        constexpr std::uint64_t kBad = 8 * 4096 + 77;
        if (call.kind == DiskCall::kRead && call.path.ends_with("/catalog.db") &&
            call.offset <= kBad && kBad < call.offset + call.length)
            return test::DiskFault{};
        return std::nullopt;
    });
    const CheckReport report = check(rig);
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_NE(text_of(report).find("catalog page 9 "), std::string::npos) << text_of(report);
    EXPECT_NE(text_of(report).find("cannot be read"), std::string::npos) << text_of(report);
}

TEST_F(CheckTest, AWrongKeyIsAnErrorAndNoDamage) {
    StoreRig rig(random_);
    rig.close();
    CheckOptions wrong = options(false);
    wrong.unlock = crypto::KeyFile{std::vector<std::byte>(32, std::byte{9})};
    Job job;
    EXPECT_EQ(check_store(rig.environment(), wrong, job).error().code(), Errc::kWrongKey);
}

/// A store with a second zone on a disk of its own.
class ZonesTest : public CheckTest {
  protected:
    ZonesTest() {
        disk_.prepare("/data");
        disk_.add_volume("/zone", std::uint64_t{1} << 40);
        CreateOptions create;
        create.directory = kStore;
        create.zones = {"/zone"};
        create.unlock = test::test_key();
        must(create_store({disk_, random_, clock_}, create));
    }
    CheckReport run(bool repair) {
        Job job;
        return must(check_store({disk_, random_, clock_}, options(repair), job));
    }
    std::unique_ptr<Volume> open() {
        return must(open_store({disk_, random_, clock_}, {.directory = kStore,
                                                          .unlock = test::test_key(),
                                                          .memory_bytes = 64 << 20,
                                                          .background_barrier_ms = 0}));
    }
    std::vector<std::byte> keyring(const std::string& zone) {
        return must(read_file(disk_, zone + "/keyring", crypto::kKeyringBytesMax));
    }
    /// A repair tells it, leaves both keyrings as they are, and so does opening, which fails.
    void expect_refused(std::string_view words, Errc code) {
        const auto of_store = keyring(kStore);
        const auto of_zone = keyring_or_nothing();
        const CheckReport report = run(true);
        EXPECT_TRUE(report.damage_is_left());
        EXPECT_NE(text_of(report).find(words), std::string::npos) << text_of(report);
        const auto opened =
            open_store({disk_, random_, clock_}, {.directory = kStore, .unlock = test::test_key()});
        ASSERT_FALSE(opened.ok());
        EXPECT_EQ(opened.error().code(), code) << opened.error().message();
        EXPECT_EQ(keyring(kStore), of_store);
        EXPECT_EQ(keyring_or_nothing(), of_zone);
    }
    std::vector<std::byte> keyring_or_nothing() {
        auto bytes = read_file(disk_, "/zone/keyring", crypto::kKeyringBytesMax);
        return bytes ? *bytes : std::vector<std::byte>();
    }
    test::SimDisk disk_;
    test::ManualClock clock_;
};

TEST_F(ZonesTest, ADirectoryWithoutItsDiskIsNotWrittenTo) {
    must(disk_.remove("/zone/keyring"));
    must(disk_.remove_directory("/zone/packs"));
    expect_refused("zone /zone is missing", Errc::kNotFound);
    EXPECT_TRUE(must(disk_.list("/zone")).empty());
}

TEST_F(ZonesTest, ALostCopyBesidePacksIsMadeAgain) {
    must(disk_.make_directory("/zone/packs/ab"));
    must(disk_.remove("/zone/keyring"));
    EXPECT_FALSE(run(true).damage_is_left());
    EXPECT_EQ(keyring("/zone"), keyring(kStore));
}

TEST_F(ZonesTest, AnotherStoresKeyringIsLeftAlone) {
    CreateOptions create;
    create.directory = "/data/other";
    create.unlock = test::test_key();
    must(create_store({disk_, random_, clock_}, create));
    // Newer than ours, and it opens with our key.
    auto other = must(crypto::Keyring::open(keyring("/data/other"), test::test_key()));
    for (int i = 0; i < 5; ++i) must(replace_file(disk_, "/zone/keyring", must(other.encode())));
    expect_refused("holds the keyring of another store", Errc::kNotFound);
}

TEST_F(ZonesTest, ANewerCopyThatDoesNotOpenIsLeftAlone) {
    auto newer = must(crypto::Keyring::open(keyring("/zone"), test::test_key()));
    newer.add_container_key(ContainerId(77));
    must(newer.add_slot(crypto::KeyFile{std::vector<std::byte>(32, std::byte{8})}));
    must(newer.remove_slot(0));
    must(replace_file(disk_, "/zone/keyring", must(newer.encode())));
    expect_refused("and does not open", Errc::kWrongKey);
}

TEST_F(ZonesTest, AnOlderCopyThatDoesNotOpenAnyMoreIsReplaced) {
    // As a change of the key leaves it that was cut between the two.
    auto newer = must(crypto::Keyring::open(keyring(kStore), test::test_key()));
    auto older = must(crypto::Keyring::open(keyring(kStore), test::test_key()));
    must(older.add_slot(crypto::KeyFile{std::vector<std::byte>(32, std::byte{8})}));
    must(older.remove_slot(0));
    must(replace_file(disk_, "/zone/keyring", must(older.encode())));
    for (int i = 0; i < 2; ++i)
        must(replace_file(disk_, std::string(kStore) + "/keyring", must(newer.encode())));
    EXPECT_FALSE(run(true).damage_is_left());
    EXPECT_EQ(keyring("/zone"), keyring(kStore));
}

TEST_F(ZonesTest, CopiesOfOneGenerationThatDifferAreToldAndLeftAlone) {
    auto one = must(crypto::Keyring::open(keyring(kStore), test::test_key()));
    auto two = must(crypto::Keyring::open(keyring(kStore), test::test_key()));
    two.add_container_key(ContainerId(77));
    must(replace_file(disk_, std::string(kStore) + "/keyring", must(one.encode())));
    must(replace_file(disk_, "/zone/keyring", must(two.encode())));
    const auto of_store = keyring(kStore), of_zone = keyring("/zone");
    const CheckReport report = run(true);
    EXPECT_TRUE(report.damage_is_left());
    EXPECT_NE(text_of(report).find("says something else"), std::string::npos) << text_of(report);
    EXPECT_EQ(keyring(kStore), of_store);
    EXPECT_EQ(keyring("/zone"), of_zone);
}

/// Any work, ended in any way: a check finds nothing. Accounting is what the walk adds up to.
TEST_F(CheckTest, NothingIsFoundAfterAnyWorkAndAnyEnd) {
    const std::uint64_t rounds = test::scaled("rounds of any work and any end", 3, 60);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        StoreRig rig(random_);
        NodeId c = rig.container("c");
        std::set<std::string> names;
        for (int step = 0; step < 60; ++step) {
            const std::string name = "f" + std::to_string(random_.below(8));
            const std::size_t at = random_.below(200'000), length = 1 + random_.below(60'000);
            const auto there = rig.tree().lookup(c, name);
            switch (random_.below(9)) {
                case 0:
                case 1: {
                    auto file =
                        there ? must(rig.tree().open(there->node, {.read = true, .write = true}))
                              : rig.create(c, name);
                    must(rig.tree().write({}, *file, at, rig.noise(length)));
                    must(random_.one_in(3) ? rig.tree().fsync(*file) : rig.tree().flush(*file));
                    rig.tree().release(file);
                    break;
                }
                case 2:
                    if (there)
                        must(rig.tree().change({}, there->node,
                                               {.mode = {},
                                                .uid = {},
                                                .gid = {},
                                                .size = at,
                                                .accessed = {},
                                                .modified = {}}));
                    break;
                case 3:
                    if (there) {
                        auto file =
                            must(rig.tree().open(there->node, {.read = true, .write = true}));
                        must(rig.tree().allocate({}, *file, AllocateMode::kPunchHole, at, length));
                        rig.tree().release(file);
                    }
                    break;
                case 4:
                    if (there) must(rig.tree().unlink(c, name));
                    break;
                case 5:
                    if (there)
                        must(rig.tree().rename(c, name, c, "f" + std::to_string(random_.below(8)),
                                               RenameMode::kReplace));
                    break;
                case 6:
                case 7:
                    if (there) {
                        const std::string other = "f" + std::to_string(random_.below(8));
                        if (other == name) break;
                        const auto target = rig.tree().lookup(c, other);
                        auto from = must(rig.tree().open(there->node, {.read = true}));
                        auto to =
                            target
                                ? must(rig.tree().open(target->node, {.read = true, .write = true}))
                                : rig.create(c, other);
                        must(rig.tree().copy_range({}, *from, random_.below(50'000), *to,
                                                   random_.below(50'000), length));
                        must(rig.tree().flush(*to));
                        rig.tree().release(from);
                        rig.tree().release(to);
                    }
                    break;
                default:
                    if (there)
                        must(rig.tree().set_xattr(there->node, "user.x", bytes_of("y"),
                                                  XattrMode::kSet));
            }
        }
        if (round % 3 == 0)
            rig.close();
        else if (round % 3 == 1)
            rig.replace_disk_closed(rig.disk().kill());
        else
            rig.replace_disk_closed(rig.disk().crash(
                test::kEveryCrash[random_.below(test::kEveryCrash.size())], random_));
        const CheckReport report = check(rig);
        EXPECT_TRUE(report.clean()) << "round " << round << "\n" << text_of(report);
        rig.open();
        rig.close();
        const CheckReport again = check(rig);
        EXPECT_TRUE(again.clean()) << "round " << round << ", reopened\n" << text_of(again);
    }
}

}  // namespace
}  // namespace reelfs::core
