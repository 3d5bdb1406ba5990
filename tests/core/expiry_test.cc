// Expiry as the doors see it: gone at the instant, whatever is still on the disk; and then gone
// from the disk, too.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "test_store.h"

namespace reelfs::test {
namespace {

using core::Tree;

constexpr std::string_view kTenSeconds =
    R"({"rules":[{"definition":{"path":[{"wildcard":"*.ts"}],
        "seconds_since_create":[{"numeric":[">=",10]}]},"action":"EXPIRE"}]})";
constexpr std::string_view kTwoDays =
    R"({"rules":[{"definition":{"path":[{"prefix":"old/"}],
        "days_since_create":[{"numeric":[">=",2]}]},"action":"EXPIRE"}]})";

class ExpiryTest : public ::testing::Test {
  protected:
    Tree& tree() { return rig_.tree(); }
    void lifecycle(std::string_view text) {
        must(tree().put_document("c", DocumentKind::kLifecycle, text));
    }
    NodeId folder(NodeId parent, std::string_view name) {
        return must(tree().make_directory({}, parent, name, 0755)).node;
    }
    void upload(const Components& path, std::string_view content) {
        const std::uint64_t ticket = tree().draw_ticket();
        core::UploadOptions options;
        options.ticket = ticket;
        auto upload = must(tree().begin_upload("c", path, options));
        must(upload->append(bytes_of(content)));
        upload->complete();
        must(upload->make_durable());
        must(upload->publish(kAnyHash));
    }
    bool there(const Components& path) { return tree().open_object(kHere, "c", path).ok(); }
    bool there(NodeId parent, std::string_view name) { return tree().lookup(parent, name).ok(); }
    std::vector<std::string> names(NodeId directory, bool with_attributes) {
        std::vector<std::string> found;
        auto listing = must(tree().open_directory(directory));
        must(tree().list(*listing, 2, with_attributes, [&](const Tree::Listed& entry) {
            found.emplace_back(entry.name);
            return true;
        }));
        return found;
    }
    std::uint64_t nodes() { return must(tree().space()).nodes; }
    /// With the thread that takes away what has expired.
    void reopen_with_background() {
        rig_.close();
        rig_.background_ms = 20;
        rig_.open();
    }
    template <class Condition>
    void wait_until(Condition condition) {
        while (!condition()) std::this_thread::yield();
    }

    SeededRandom random_;
    StoreRig rig_{random_};
    const NodeId c_ = rig_.container();
};

TEST_F(ExpiryTest, ATransientObjectIsGoneAtItsInstantThroughEveryDoor) {
    lifecycle(kTenSeconds);
    rig_.put(c_, "a.ts", bytes_of("abc"));
    upload({"live", "b.ts"}, "def");
    rig_.put(c_, "a.mp4", bytes_of("stays"));
    const NodeId live = must(tree().lookup(c_, "live")).node;
    const auto born = rig_.clock().now();
    EXPECT_EQ(must(tree().lookup(c_, "a.ts")).expires, Timestamp{born.ns + 10'000'000'000});
    rig_.clock().advance_ms(9'999);
    EXPECT_TRUE(there({"a.ts"}));
    EXPECT_TRUE(there({"live", "b.ts"}));
    EXPECT_TRUE(there(live, "b.ts"));
    rig_.clock().advance_ms(1);
    EXPECT_FALSE(there({"a.ts"}));
    EXPECT_EQ(tree().open_object_cached(kHere, "c", {"a.ts"}), nullptr);
    EXPECT_FALSE(there({"live", "b.ts"}));
    EXPECT_FALSE(there(c_, "a.ts"));
    EXPECT_FALSE(there(live, "b.ts"));
    EXPECT_EQ(tree().delete_object("c", {"a.ts"}).error().code(), Errc::kNotFound);
    EXPECT_EQ(tree().unlink(c_, "a.ts").error().code(), Errc::kNotFound);
    EXPECT_EQ(tree().rename(c_, "a.ts", c_, "kept", core::RenameMode::kReplace).error().code(),
              Errc::kNotFound);
    for (bool with_attributes : {true, false}) {
        EXPECT_EQ(names(c_, with_attributes), (std::vector<std::string>{"a.mp4", "live"}));
        EXPECT_TRUE(names(live, with_attributes).empty());
    }
    EXPECT_TRUE(there({"a.mp4"}));
}

TEST_F(ExpiryTest, WhatIsUnderATransientRuleIsNotListedAmongItems) {
    lifecycle(kTenSeconds);
    upload({"a.ts"}, "x");
    upload({"b.mp4"}, "x");
    const auto page = must(tree().list_items("c", {}, "", 10));
    ASSERT_EQ(page.items.size(), 1u);
    EXPECT_EQ(page.items[0].name, "b.mp4");
}

TEST_F(ExpiryTest, AnOpenReaderGoesOnAfterTheInstantAndAfterTheRowHasGone) {
    lifecycle(kTenSeconds);
    const auto bytes = rig_.noise(300'000);
    rig_.put(c_, "a.ts", bytes);
    reopen_with_background();
    auto object = must(tree().open_object(kHere, "c", {"a.ts"}));
    const NodeId node = must(tree().lookup(c_, "a.ts")).node;
    auto file = must(tree().open(node, {.read = true}));
    rig_.clock().advance_ms(10'000);
    EXPECT_TRUE(tree().attributes(node).ok()) << "fstat(2)";
    wait_until([&] { return must(tree().attributes(node)).links == 0; });
    std::vector<std::byte> read(bytes.size());
    EXPECT_EQ(must(tree().read(*file, 0, read)), bytes.size());
    EXPECT_EQ(read, bytes);
    Pins pins;
    must(object->read(100'000, 1'000, pins));
    EXPECT_EQ(pins.at(0).bytes[0], bytes[100'000]);
    pins.clear();
    object.reset();
    tree().release(file);
    wait_until([&] { return nodes() == 2; });  // the root and the container
}

TEST_F(ExpiryTest, ANameWhoseFileHasExpiredIsFreeAtOnce) {
    lifecycle(kTenSeconds);
    for (const char* name : {"made.ts", "linked.ts", "renamed.ts", "put.ts"})
        rig_.put(c_, name, bytes_of("old"));
    const NodeId full = folder(c_, "full");
    for (int i = 0; i < 40; ++i) rig_.put(full, std::to_string(i) + ".ts", bytes_of("x"));
    rig_.put(c_, "source", bytes_of("new"));
    rig_.clock().advance_ms(10'000);
    rig_.put(c_, "made.ts", bytes_of("new"));
    EXPECT_EQ(rig_.content(c_, "made.ts"), copy_of(bytes_of("new")));
    must(tree().link(must(tree().lookup(c_, "source")).node, c_, "linked.ts"));
    must(tree().rename(c_, "source", c_, "renamed.ts", core::RenameMode::kNoReplace));
    upload({"put.ts"}, "new");
    EXPECT_TRUE(there({"put.ts"}));
    must(tree().remove_directory(c_, "full"));
    EXPECT_FALSE(there(c_, "full"));
}

TEST_F(ExpiryTest, AFolderInWhichAllHasExpiredCanBeRenamedOver) {
    lifecycle(kTenSeconds);
    const NodeId full = folder(c_, "full"), fresh = folder(c_, "fresh");
    for (int i = 0; i < 40; ++i) rig_.put(full, std::to_string(i) + ".ts", bytes_of("x"));
    EXPECT_EQ(tree().rename(c_, "fresh", c_, "full", core::RenameMode::kReplace).error().code(),
              Errc::kNotEmpty);
    rig_.clock().advance_ms(10'000);
    must(tree().rename(c_, "fresh", c_, "full", core::RenameMode::kReplace));
    EXPECT_EQ(must(tree().lookup(c_, "full")).node, fresh);
}

TEST_F(ExpiryTest, TheNameOfAnUploadThatExpiredWhileItGrewIsFree) {
    lifecycle(kTenSeconds);
    const auto grow = [&](const Components& path) {
        core::UploadOptions options;
        options.ticket = tree().draw_ticket();
        options.streaming = true;
        auto upload = must(tree().begin_upload("c", path, options));
        must(upload->append(bytes_of("old")));
        return upload;
    };
    auto made = grow({"made.ts"}), linked = grow({"linked.ts"}), renamed = grow({"renamed.ts"});
    rig_.put(c_, "source", bytes_of("new"));
    const NodeId source = must(tree().lookup(c_, "source")).node;
    EXPECT_EQ(tree().link(source, c_, "linked.ts").error().code(), Errc::kExists);
    rig_.clock().advance_ms(10'000);
    EXPECT_EQ(tree().unlink(c_, "made.ts").error().code(), Errc::kNotFound);
    rig_.put(c_, "made.ts", bytes_of("new"));
    must(tree().link(source, c_, "linked.ts"));
    must(tree().rename(c_, "source", c_, "renamed.ts", core::RenameMode::kNoReplace));
    for (auto* upload : {&made, &linked, &renamed}) {
        (*upload)->complete();
        must((*upload)->make_durable());
    }
    must(made->publish(kAnyHash));
    for (const char* name : {"made.ts", "linked.ts", "renamed.ts"})
        EXPECT_EQ(rig_.content(c_, name), copy_of(bytes_of("new"))) << name;
}

TEST_F(ExpiryTest, WhoHasItOpenDoesNotBringItBack) {
    lifecycle(kTenSeconds);
    auto file = rig_.create(c_, "a.ts");
    rig_.clock().advance_ms(10'000);
    core::AttributeChange emptied;
    emptied.size = 0;
    must(tree().change({}, tree().node_of(*file), emptied));
    EXPECT_FALSE(there(c_, "a.ts"));
    must(tree().write({}, *file, 0, bytes_of("x")));
    tree().release(file);
    EXPECT_FALSE(there({"a.ts"}));
}

TEST_F(ExpiryTest, ExpiryGivesBackWhatTheQuotaCountsAndSparesWhatIsShared) {
    lifecycle(kTenSeconds);
    const auto bytes = rig_.noise(3'000'000);
    const Usage before = must(tree().container("c")).used;
    rig_.put(c_, "a.ts", bytes);
    rig_.put(c_, "copy.mp4", {});
    auto from = must(tree().open(must(tree().lookup(c_, "a.ts")).node, {.read = true}));
    auto to = must(tree().open(must(tree().lookup(c_, "copy.mp4")).node, {.write = true}));
    EXPECT_EQ(must(tree().copy_range({}, *from, 0, *to, 0, UINT64_MAX)), bytes.size());
    tree().release(from);
    tree().release(to);
    reopen_with_background();
    const Usage both = must(tree().container("c")).used;
    EXPECT_EQ(both.objects, before.objects + 2);
    rig_.clock().advance_ms(10'000);
    wait_until([&] { return must(tree().container("c")).used.objects == before.objects + 1; });
    EXPECT_LT(must(tree().container("c")).used.bytes, both.bytes);
    EXPECT_EQ(rig_.content(c_, "copy.mp4"), bytes);
    must(tree().unlink(c_, "copy.mp4"));
    EXPECT_EQ(must(tree().container("c")).used, before);
    EXPECT_TRUE(must(rig_.volume().audit()).empty());
}

TEST_F(ExpiryTest, ARuleMeansWhatGetsItsNameUnderItAndNothingElse) {
    rig_.put(c_, "before.ts", bytes_of("x"));
    rig_.put(c_, "tmp", bytes_of("x"));
    lifecycle(kTenSeconds);
    EXPECT_FALSE(must(tree().lookup(c_, "before.ts")).expires);
    must(tree().rename(c_, "tmp", c_, "tmp.ts", core::RenameMode::kReplace));
    EXPECT_TRUE(must(tree().lookup(c_, "tmp.ts")).expires) << "as an encoder renames a segment";
    rig_.clock().advance_ms(9'000);
    must(tree().rename(c_, "tmp.ts", c_, "kept.mp4", core::RenameMode::kReplace));
    EXPECT_FALSE(must(tree().lookup(c_, "kept.mp4")).expires) << "moved to where no rule is";
    must(tree().rename(c_, "kept.mp4", c_, "again.ts", core::RenameMode::kReplace));
    const auto again = must(tree().lookup(c_, "again.ts")).expires;
    EXPECT_EQ(again, Timestamp{rig_.clock().now().ns + 10'000'000'000})
        << "the age counts from when it got the name";
    EXPECT_EQ(tree().link(must(tree().lookup(c_, "again.ts")).node, c_, "second").error().code(),
              Errc::kNotPermitted);
    // A policy that goes, or changes, leaves what is bound as it is.
    EXPECT_TRUE(must(tree().delete_document("c", DocumentKind::kLifecycle)));
    EXPECT_EQ(must(tree().lookup(c_, "again.ts")).expires, again);
    rig_.put(c_, "after.ts", bytes_of("x"));
    EXPECT_FALSE(must(tree().lookup(c_, "after.ts")).expires);
    rig_.clock().advance_ms(10'000);
    EXPECT_FALSE(there({"again.ts"}));
}

TEST_F(ExpiryTest, AFileThatBeginsAnewIsAsYoungAsItsContent) {
    lifecycle(kTenSeconds);
    rig_.put(c_, "a.ts", bytes_of("x"));
    rig_.clock().advance_ms(8'000);
    const NodeId node = must(tree().lookup(c_, "a.ts")).node;
    auto file = must(tree().open(node, {.write = true, .truncate = true}));
    must(tree().write({}, *file, 0, bytes_of("y")));
    tree().release(file);
    rig_.clock().advance_ms(9'000);
    EXPECT_TRUE(there({"a.ts"}));
    rig_.clock().advance_ms(1'000);
    EXPECT_FALSE(there({"a.ts"}));
}

TEST_F(ExpiryTest, AnUploadThatReplacesRestartsTheAge) {
    lifecycle(kTenSeconds);
    upload({"a.ts"}, "one");
    rig_.clock().advance_ms(8'000);
    upload({"a.ts"}, "two");
    rig_.clock().advance_ms(8'000);
    EXPECT_TRUE(there({"a.ts"}));
    rig_.clock().advance_ms(2'000);
    EXPECT_FALSE(there({"a.ts"}));
}

TEST_F(ExpiryTest, WhatHasExpiredGoesFromTheDiskAndImplicitFoldersWithIt) {
    lifecycle(kTenSeconds);
    for (int i = 0; i < 100; ++i) upload({"live", "deep", std::to_string(i) + ".ts"}, "x");
    const NodeId made = folder(c_, "made");
    rig_.put(made, "a.ts", rig_.noise(50'000));
    reopen_with_background();
    rig_.clock().advance_ms(10'000);
    wait_until([&] { return nodes() == 3; });  // the root, the container, the folder that was made
    EXPECT_FALSE(there(c_, "live"));
    EXPECT_TRUE(there(c_, "made"));
}

TEST_F(ExpiryTest, TheQueueSurvivesKillAndPowerLossAndTheInstantIsKept) {
    lifecycle(kTenSeconds);
    upload({"a.ts"}, "x");
    rig_.put(c_, "b.ts", bytes_of("x"));
    must(tree().sync());
    for (int round = 0; round < 2; ++round) {
        if (round == 0)
            rig_.kill();
        else
            rig_.crash(Crash::kSubset);
        EXPECT_TRUE(there({"a.ts"}));
        EXPECT_TRUE(there({"b.ts"}));
    }
    rig_.clock().advance_ms(10'000);
    rig_.background_ms = 20;
    rig_.kill();
    EXPECT_FALSE(there({"a.ts"}));
    wait_until([&] { return nodes() == 2; });
}

TEST_F(ExpiryTest, APowerCutWhileObjectsAreTakenAwayCostsNothingElse) {
    lifecycle(kTenSeconds);
    const auto bytes = rig_.noise(300'000);
    rig_.put(c_, "kept.mp4", {});
    for (std::uint64_t cut : {2, 8, 20, 40, 80}) {
        SCOPED_TRACE(cut);
        rig_.background_ms = 0;
        rig_.reopen();
        for (int i = 0; i < 40; ++i) rig_.put(c_, std::to_string(i) + ".ts", rig_.noise(2'000));
        upload({"live", "deep", "a.ts"}, "x");
        rig_.put(c_, "shared.ts", bytes);
        auto from = must(tree().open(must(tree().lookup(c_, "shared.ts")).node, {.read = true}));
        auto to = must(tree().open(must(tree().lookup(c_, "kept.mp4")).node,
                                   {.write = true, .truncate = true}));
        must(tree().copy_range({}, *from, 0, *to, 0, UINT64_MAX));
        tree().release(from);
        tree().release(to);
        reopen_with_background();
        const std::uint64_t before = rig_.disk().calls();
        rig_.disk().cut_power_at(cut);
        rig_.clock().advance_ms(10'000);
        const auto left = [&] {
            const auto space = tree().space();
            return space ? space->nodes : 0;
        };
        wait_until([&] { return rig_.disk().calls() >= before + cut || left() == 3; });
        rig_.crash(Crash::kSubset);
        for (const std::string& name : names(c_, true))
            EXPECT_TRUE(name == "kept.mp4" || name == "live") << name;
        EXPECT_FALSE(there({"live", "deep", "a.ts"}));
        EXPECT_EQ(rig_.content(c_, "kept.mp4"), bytes);
        wait_until([&] { return nodes() == 3; });  // the root, the container, what was kept
        EXPECT_EQ(rig_.content(c_, "kept.mp4"), bytes);
        EXPECT_TRUE(must(rig_.volume().audit()).empty());
    }
}

TEST_F(ExpiryTest, ADayRuleMeansWhatWasThereBefore) {
    const NodeId old = folder(c_, "old"), deep = folder(old, "deep"), other = folder(c_, "new");
    for (int i = 0; i < 150; ++i) rig_.put(deep, std::to_string(i), bytes_of("x"));
    rig_.put(old, "a", bytes_of("x"));
    rig_.put(other, "a", bytes_of("x"));
    rig_.clock().advance_ms(86'400'000);
    rig_.put(old, "young", bytes_of("x"));
    lifecycle(kTwoDays);
    reopen_with_background();
    EXPECT_FALSE(must(tree().lookup(old, "a")).expires) << "it is listed as any other";
    EXPECT_EQ(must(tree().list_items("c", {"old"}, "", 9)).items.size(), 3u);
    rig_.clock().advance_ms(86'400'000);
    wait_until([&] { return names(deep, false).empty() && !there(old, "a"); });
    EXPECT_TRUE(there(old, "young"));
    EXPECT_TRUE(there(other, "a"));
    rig_.clock().advance_ms(86'400'000);
    wait_until([&] { return !there(old, "young"); });
    EXPECT_TRUE(there(other, "a"));
}

TEST_F(ExpiryTest, ADayRuleThatIsTakenBackTakesNothingAway) {
    const NodeId old = folder(c_, "old");
    rig_.put(old, "a", bytes_of("x"));
    lifecycle(kTwoDays);
    rig_.put(old, "b", bytes_of("x"));
    reopen_with_background();
    EXPECT_TRUE(must(tree().delete_document("c", DocumentKind::kLifecycle)));
    rig_.clock().advance_ms(3 * 86'400'000ll);
    // When another rule has done its work, this one would have.
    lifecycle(R"({"rules":[{"definition":{"path":[{"prefix":"other/"}],
        "days_since_create":[{"numeric":[">=",1]}]},"action":"EXPIRE"}]})");
    const NodeId other = folder(c_, "other");
    rig_.put(other, "a", bytes_of("x"));
    rig_.clock().advance_ms(86'400'000);
    wait_until([&] { return !there(other, "a"); });
    EXPECT_TRUE(there(old, "a"));
    EXPECT_TRUE(there(old, "b"));
}

TEST_F(ExpiryTest, ADayRuleTakesEveryNameOfAFile) {
    const NodeId old = folder(c_, "old");
    lifecycle(kTwoDays);
    for (const char* name : {"a", "b", "removed"}) rig_.put(old, name, bytes_of("x"));
    must(tree().link(must(tree().lookup(old, "a")).node, old, "second"));
    must(tree().link(must(tree().lookup(old, "a")).node, c_, "elsewhere"));
    must(tree().link(must(tree().lookup(old, "removed")).node, old, "left"));
    must(tree().unlink(old, "removed"));  // the name that the queue knows
    reopen_with_background();
    rig_.clock().advance_ms(2 * 86'400'000);
    wait_until([&] { return names(old, false).empty(); });
    EXPECT_TRUE(there({"elsewhere"}));
}

TEST_F(ExpiryTest, AFailureWhileObjectsAreTakenAwayKeepsNoneForever) {
    lifecycle(kTenSeconds);
    for (int i = 0; i < 200; ++i) rig_.put(c_, std::to_string(i) + ".ts", rig_.noise(1'000));
    reopen_with_background();
    // Whatever is read next fails: of many objects, then of one, which is put off.
    std::atomic<int> failures{2};
    rig_.disk().set_hook([&](const CallInfo& call) -> std::optional<DiskFault> {
        if (call.kind != DiskCall::kRead || call.path.find("catalog") == std::string::npos)
            return std::nullopt;
        return failures.fetch_sub(1) > 0 ? std::optional(DiskFault{}) : std::nullopt;
    });
    rig_.clock().advance_ms(10'000);
    wait_until([&] { return failures <= 0; });
    wait_until([&] { return names(c_, false).empty() && nodes() <= 3; });
    rig_.clock().advance_ms(600'000);
    wait_until([&] { return nodes() == 2; });
    rig_.disk().set_hook(nullptr);
}

TEST_F(ExpiryTest, AFolderThatIsRenamedComesUnderItsNewNamesDayRules) {
    lifecycle(kTwoDays);
    const NodeId young = folder(c_, "young");
    rig_.put(young, "a", bytes_of("x"));
    reopen_with_background();
    must(tree().rename(c_, "young", c_, "old", core::RenameMode::kReplace));
    rig_.clock().advance_ms(2 * 86'400'000);
    wait_until([&] { return !there(young, "a"); });
}

TEST_F(ExpiryTest, AStreamingUploadIsGoneAtItsInstantAlsoWhileItGrows) {
    lifecycle(kTenSeconds);
    reopen_with_background();
    core::UploadOptions options;
    options.ticket = tree().draw_ticket();
    options.streaming = true;
    auto upload = must(tree().begin_upload("c", {"a.ts"}, options));
    must(upload->append(bytes_of("abc")));
    auto reader = must(tree().open_object(kHere, "c", {"a.ts"}));
    rig_.clock().advance_ms(10'000);
    EXPECT_FALSE(there({"a.ts"}));
    must(upload->append(bytes_of("def")));
    EXPECT_EQ(reader->state().size, 6u) << "who follows it goes on";
    upload->complete();
    must(upload->make_durable());
    must(upload->publish(kAnyHash));
    EXPECT_FALSE(there({"a.ts"}));
    upload.reset();
    reader.reset();
    // If it was taken away before the reader left, the background gives it back, by this clock.
    wait_until([&] {
        rig_.clock().advance_ms(rig_.background_ms);
        return nodes() == 2;
    });
}

TEST_F(ExpiryTest, WritersAndReadersGoOnWhileManyExpire) {
    lifecycle(kTenSeconds);
    constexpr int kObjects = 2'000;
    for (int i = 0; i < kObjects; ++i) rig_.put(c_, std::to_string(i) + ".ts", bytes_of("x"));
    reopen_with_background();
    rig_.clock().advance_ms(10'000);
    for (int i = 0; i < kObjects; i += 50) {
        EXPECT_FALSE(there({std::to_string(i) + ".ts"})) << i;
        rig_.put(c_, "live" + std::to_string(i), bytes_of("y"));
        EXPECT_EQ(rig_.content(c_, "live" + std::to_string(i)), copy_of(bytes_of("y")));
        // A name that waits to be taken away is given anew, and stays.
        if (i % 100 == 0) rig_.put(c_, std::to_string(i) + ".ts", bytes_of("again"));
    }
    wait_until([&] { return nodes() == 2 + kObjects / 50 + kObjects / 100; });
    EXPECT_TRUE(there({"0.ts"}));
}

}  // namespace
}  // namespace reelfs::test
