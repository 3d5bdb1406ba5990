// What becomes of a file that is replaced while a kernel knows it by number.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/test_store.h"
#include "reelfs/model/limits.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using limits::KiB;
using limits::MiB;
using test::kAnyHash;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class KnownNodesTest : public ::testing::Test {
  protected:
    KnownNodesTest() : rig_(random_) { c_ = rig_.container(); }
    Tree& tree() { return rig_.tree(); }

    /// A file that the kernel knows.
    NodeId known(std::string_view name, std::size_t size) {
        rig_.put(c_, name, rig_.noise(size));
        return must(tree().lookup_and_remember(c_, name)).node;
    }
    void rename_over(std::string_view name, std::size_t size) {
        rig_.put(c_, "new", rig_.noise(size));
        must(tree().rename(c_, "new", c_, name, RenameMode::kReplace));
    }
    void upload(const std::string& path, std::size_t size) {
        UploadOptions options;
        options.ticket = tree().draw_ticket();
        auto upload = must(tree().begin_upload("c", must(split_path(path)), options));
        must(upload->append(rig_.noise(size)));
        upload->complete();
        must(upload->make_durable());
        must(upload->publish(kAnyHash));
    }
    std::uint64_t used_bytes() { return must(tree().container("c")).used.bytes; }
    bool is_there(NodeId node) {
        auto opened = tree().open(node, {.read = true});
        if (opened) {
            tree().release(*std::move(opened));
        } else {
            EXPECT_EQ(opened.error().code(), Errc::kStale);
        }
        return opened.ok();
    }
    bool has_attributes(NodeId node) {
        const auto found = tree().attributes(node);
        if (found) {
            EXPECT_EQ(found->links, 0u);
        } else {
            EXPECT_EQ(found.error().code(), Errc::kStale);
        }
        return found.ok();
    }
    double gauge(std::string_view name) {
        for (const auto& gauge : tree().gauges())
            if (gauge.name == name) return gauge.value;
        ADD_FAILURE() << "no gauge " << name;
        return -1;
    }
    void expect_clean() {
        for (const auto& finding : must(rig_.volume().audit())) ADD_FAILURE() << finding;
    }

    SeededRandom random_;
    StoreRig rig_;
    NodeId c_;
};

TEST_F(KnownNodesTest, WhatIsReplacedStaysUntilItIsForgotten) {
    for (const bool by_upload : {false, true}) {
        const NodeId old = known("f", 300'000);
        const auto before = rig_.content(old);
        by_upload ? upload("f", 1'000) : rename_over("f", 1'000);
        EXPECT_EQ(must(tree().attributes(old)).links, 0u);
        EXPECT_EQ(rig_.content(old), before);
        EXPECT_EQ(rig_.content(old), before) << "its last handle did not take it along";
        EXPECT_EQ(rig_.content(c_, "f").size(), 1'000u);
        EXPECT_EQ(gauge("reelfs_replaced_nodes"), 1);
        expect_clean();
        tree().forget(old, 1);
        EXPECT_FALSE(is_there(old));
        EXPECT_EQ(used_bytes(), must(tree().lookup(c_, "f")).allocated_bytes);
        EXPECT_EQ(gauge("reelfs_replaced_nodes"), 0);
        EXPECT_EQ(gauge("reelfs_kernel_nodes"), 0);
        expect_clean();
        must(tree().unlink(c_, "f"));
    }
}

TEST_F(KnownNodesTest, ItIsForgottenAsOftenAsItWasRemembered) {
    const NodeId old = known("f", 100);
    tree().remember(old);
    tree().remember(old);
    rename_over("f", 100);
    tree().forget(old, 2);
    EXPECT_TRUE(is_there(old));
    tree().forget(old, 1);
    EXPECT_FALSE(is_there(old));
}

TEST_F(KnownNodesTest, WhatIsNotKnownOrNotReplacedGoesAtOnce) {
    rig_.put(c_, "f", rig_.noise(100));
    const NodeId unknown = must(tree().lookup(c_, "f")).node;
    rename_over("f", 100);
    EXPECT_FALSE(is_there(unknown));

    const NodeId forgotten = must(tree().lookup_and_remember(c_, "f")).node;
    tree().forget(forgotten, 1);
    upload("f", 100);
    EXPECT_FALSE(is_there(forgotten));

    const NodeId removed = must(tree().lookup_and_remember(c_, "f")).node;
    must(tree().unlink(c_, "f"));
    EXPECT_FALSE(is_there(removed));
    tree().forget(removed, 1);
    EXPECT_EQ(used_bytes(), 0u);
    expect_clean();
}

TEST_F(KnownNodesTest, WhatIsRemovedCanBeAskedForItsAttributesUntilItIsForgotten) {
    const NodeId file = known("f", 300'000);
    must(tree().unlink(c_, "f"));
    const auto opened = rig_.create(c_, "g");
    const NodeId open = must(tree().lookup_and_remember(c_, "g")).node;
    must(tree().unlink(c_, "g"));
    tree().release(opened);
    must(tree().make_directory({}, c_, "d", 0755));
    const NodeId removed = must(tree().lookup_and_remember(c_, "d")).node;
    must(tree().remove_directory(c_, "d"));
    must(tree().make_directory({}, c_, "d", 0755));
    must(tree().make_directory({}, c_, "e", 0755));
    const NodeId replaced = must(tree().lookup_and_remember(c_, "e")).node;
    must(tree().rename(c_, "d", c_, "e", RenameMode::kReplace));
    upload("of an upload/f", 100);
    const NodeId emptied = must(tree().lookup_and_remember(c_, "of an upload")).node;
    must(tree().delete_object("c", {"of an upload", "f"}));
    const NodeId container = rig_.container("other");
    tree().remember(container);
    must(tree().delete_container("other"));

    EXPECT_EQ(must(tree().attributes(file)).size, 300'000u);
    for (const NodeId folder : {removed, replaced, emptied, container}) {
        const auto listing = must(tree().open_directory(folder));
        must(tree().list(*listing, 0, true, [&](const Tree::Listed& entry) {
            EXPECT_EQ(entry.name, ".");
            return true;
        }));
        EXPECT_FALSE(tree().make_directory({}, folder, "x", 0755).ok());
        EXPECT_EQ(tree().lookup(folder, "x").error().code(), Errc::kStale);
    }
    for (const NodeId node : {file, open, removed, replaced, emptied, container}) {
        EXPECT_TRUE(has_attributes(node));
        tree().forget(node, 1);
        EXPECT_FALSE(has_attributes(node));
    }
    EXPECT_EQ(tree().open_directory(removed).error().code(), Errc::kStale);
    expect_clean();
}

TEST_F(KnownNodesTest, AnotherNameKeepsItAnyway) {
    const NodeId node = known("f", 100);
    must(tree().link(node, c_, "other"));
    rename_over("f", 100);
    EXPECT_EQ(must(tree().attributes(node)).links, 1u);
    tree().forget(node, 1);
    EXPECT_EQ(must(tree().lookup(c_, "other")).node, node);
    EXPECT_EQ(gauge("reelfs_replaced_nodes"), 0);
}

TEST_F(KnownNodesTest, AnOpenHandleAndTheKernelKeepItEachForItself) {
    for (const bool forget_first : {true, false}) {
        const NodeId old = known("f", 100);
        auto file = must(tree().open(old, {.read = true}));
        rename_over("f", 100);
        if (forget_first) {
            tree().forget(old, 1);
            EXPECT_TRUE(is_there(old));
            tree().release(file);
        } else {
            tree().release(file);
            EXPECT_TRUE(is_there(old));
            tree().forget(old, 1);
        }
        EXPECT_FALSE(is_there(old));
        EXPECT_EQ(used_bytes(), must(tree().lookup(c_, "f")).allocated_bytes);
        must(tree().unlink(c_, "f"));
    }
}

TEST_F(KnownNodesTest, WhenTheKernelGoesNothingIsKept) {
    const NodeId a = known("a", 100), b = known("b", 100);
    rename_over("a", 100);
    rename_over("b", 100);
    tree().forget_all();
    EXPECT_FALSE(is_there(a));
    EXPECT_FALSE(is_there(b));
    EXPECT_EQ(gauge("reelfs_kernel_nodes"), 0);
}

TEST_F(KnownNodesTest, ARenameThatFailsLeavesTheFileAsItWas) {
    const NodeId old = known("f", 100);
    rig_.put(c_, "new", rig_.noise(100));
    must(tree().sync());
    rig_.disk().set_hook([](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind != test::DiskCall::kWrite || !call.path.ends_with("-wal")) return {};
        return test::DiskFault{Errc::kNoSpace};
    });
    EXPECT_EQ(tree().rename(c_, "new", c_, "f", RenameMode::kReplace).error().code(),
              Errc::kNoSpace);
    rig_.disk().set_hook({});
    EXPECT_EQ(must(tree().lookup(c_, "f")).node, old);
    EXPECT_EQ(gauge("reelfs_replaced_nodes"), 0);
    tree().forget(old, 1);
    EXPECT_TRUE(is_there(old));
    must(tree().rename(c_, "new", c_, "f", RenameMode::kReplace));
    EXPECT_FALSE(is_there(old)) << "no handle of the rename that failed was left";
}

TEST_F(KnownNodesTest, AfterAKillItIsGone) {
    const NodeId old = known("f", 300'000);
    rename_over("f", 1'000);
    rig_.kill();
    EXPECT_FALSE(is_there(old));
    EXPECT_EQ(used_bytes(), must(tree().lookup(c_, "f")).allocated_bytes);
    expect_clean();
}

TEST_F(KnownNodesTest, ItGivesWayToTheQuota) {
    must(tree().set_quota("c", {.bytes = MiB, .objects = {}}));
    const NodeId old = known("f", 700 * KiB);
    rename_over("f", 1'000);
    ASSERT_TRUE(is_there(old));
    rig_.put(c_, "g", rig_.noise(900 * KiB));
    EXPECT_FALSE(is_there(old));

    const NodeId second = must(tree().lookup_and_remember(c_, "g")).node;
    rename_over("g", 1'000);
    ASSERT_TRUE(is_there(second));
    upload("h", 900 * KiB);
    EXPECT_FALSE(is_there(second));

    // Who has it open keeps it, and it counts.
    const NodeId third = must(tree().lookup_and_remember(c_, "h")).node;
    auto open = must(tree().open(third, {.read = true}));
    rename_over("h", 1'000);
    auto file = rig_.create(c_, "i");
    EXPECT_EQ(tree().write({}, *file, 0, rig_.noise(900 * KiB)).error().code(), Errc::kQuota);
    EXPECT_TRUE(is_there(third));
    tree().release(open);
    EXPECT_FALSE(is_there(third));
    must(tree().write({}, *file, 0, rig_.noise(900 * KiB)));
    must(tree().flush(*file));
    tree().release(file);
    expect_clean();
}

TEST_F(KnownNodesTest, ItsContentMovesToANewKey) {
    const NodeId old = known("f", 300'000);
    const auto before = rig_.content(old);
    rename_over("f", 1'000);
    Job job;
    const auto report = must(rig_.volume().rotate_key("c", job));
    EXPECT_TRUE(report.problems.empty());
    EXPECT_EQ(rig_.content(old), before);
    tree().forget(old, 1);
    EXPECT_FALSE(is_there(old));
    expect_clean();
}

// A kernel's part is played by threads that look the name up, open what they were led to, and
// forget it, while others replace it without an end.
TEST_F(KnownNodesTest, WhoComesByANameThatIsReplacedAllTheTimeOpensAFile) {
    rig_.put(c_, "f", rig_.noise(100));
    std::atomic<bool> ended{false};
    std::atomic<int> opened{0};
    std::vector<std::jthread> kernels;
    for (int i = 0; i < 2; ++i)
        kernels.emplace_back([&] {
            std::vector<std::byte> bytes(1'000);
            while (!ended) {
                const auto found = tree().lookup_and_remember(c_, "f");
                ASSERT_TRUE(found.ok()) << found.error().message();
                auto file = tree().open(found->node, {.read = true});
                ASSERT_TRUE(file.ok()) << file.error().message();
                const auto read = tree().read(**file, 0, bytes);
                ASSERT_TRUE(read.ok()) << read.error().message();
                EXPECT_EQ(*read, 100u);
                tree().release(*std::move(file));
                tree().forget(found->node, 1);
                ++opened;
            }
        });
    std::vector<std::byte> bytes(100);
    const std::uint64_t rounds = test::scaled("replacements", 1'000, 20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        rig_.put(c_, "new", bytes);
        must(tree().rename(c_, "new", c_, "f", RenameMode::kReplace));
        if (round % 4 == 0) upload("f", 100);
    }
    while (opened < 10 && !::testing::Test::HasFailure()) std::this_thread::yield();
    ended = true;
    kernels.clear();
    EXPECT_EQ(gauge("reelfs_replaced_nodes"), 0);
    EXPECT_EQ(gauge("reelfs_kernel_nodes"), 0);
    EXPECT_EQ(used_bytes(), must(tree().lookup(c_, "f")).allocated_bytes);
    expect_clean();
}

}  // namespace
}  // namespace reelfs::core
