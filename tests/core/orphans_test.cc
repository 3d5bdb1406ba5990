// A file without names lives for who has it open, and goes with the last of them; not later.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::kAnyHash;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class OrphansTest : public ::testing::Test {
  protected:
    OrphansTest() : rig_(random_), c_(rig_.container()) {}
    Tree& tree() { return rig_.tree(); }

    /// Runs `takes_away`, which takes away the file's last name; the last of those who have it open
    /// leaves in the midst of that, when the rows have changed and nothing is committed yet.
    void expect_gone(std::shared_ptr<OpenFile> file, const std::function<void()>& takes_away) {
        rig_.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            if (file && call.kind == test::DiskCall::kWrite && call.path.ends_with("-wal"))
                tree().release(std::exchange(file, nullptr));
            return std::nullopt;
        });
        takes_away();
        rig_.disk().set_hook({});
        EXPECT_EQ(file, nullptr) << "or nothing was proven";
    }
    std::uint64_t files() { return must(tree().space()).nodes - 2; }
    std::uint64_t used_bytes() { return must(tree().container("c")).used.bytes; }

    SeededRandom random_;
    StoreRig rig_;
    const NodeId c_;
};

TEST_F(OrphansTest, ItGoesThoughItsLastUserLeavesWhileItsLastNameIsTaken) {
    struct Case {
        const char* what;
        std::function<void()> prepare, take_away;
        std::uint64_t files, bytes;
    };
    std::unique_ptr<Upload> upload;
    const Case cases[] = {
        {"unlink", [] {}, [&] { must(tree().unlink(c_, "f")); }, 0, 0},
        {"rename", [&] { rig_.put(c_, "new", rig_.noise(1'024)); },
         [&] { must(tree().rename(c_, "new", c_, "f", RenameMode::kReplace)); }, 1, 1'024},
        {"upload",
         [&] {
             UploadOptions options;
             options.ticket = tree().draw_ticket();
             upload = must(tree().begin_upload("c", {"f"}, options));
             must(upload->append(rig_.noise(2'048)));
             upload->complete();
             must(upload->make_durable());
         },
         [&] { must(upload->publish(kAnyHash)); }, 1, 2'048},
        {"delete", [] {}, [&] { must(tree().delete_object("c", {"f"})); }, 0, 0},
    };
    for (const bool writes : {false, true})
        for (const Case& one : cases) {
            SCOPED_TRACE(std::string(one.what) + (writes ? " while it is written" : ""));
            rig_.put(c_, "f", rig_.noise(300'000));
            auto file = must(
                tree().open(must(tree().lookup(c_, "f")).node, {.read = true, .write = writes}));
            one.prepare();
            must(tree().sync());
            expect_gone(std::move(file), one.take_away);
            upload.reset();
            EXPECT_EQ(files(), one.files);
            EXPECT_EQ(used_bytes(), one.bytes);
            for (const auto& finding : must(rig_.volume().audit())) ADD_FAILURE() << finding;
            if (one.files > 0) must(tree().unlink(c_, "f"));
        }
    rig_.reopen();
    EXPECT_EQ(files(), 0u);
}

/// The transaction fails: it has its name, and whoever left has left.
TEST_F(OrphansTest, ItStaysWhereItsNameWasNotTaken) {
    rig_.put(c_, "f", rig_.noise(300'000));
    auto file = must(tree().open(must(tree().lookup(c_, "f")).node, {.read = true}));
    must(tree().sync());
    rig_.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind != test::DiskCall::kWrite || !call.path.ends_with("-wal"))
            return std::nullopt;
        if (file) tree().release(std::exchange(file, nullptr));
        return test::DiskFault{.code = Errc::kNoSpace};
    });
    EXPECT_EQ(tree().unlink(c_, "f").error().code(), Errc::kNoSpace);
    rig_.disk().set_hook({});
    EXPECT_EQ(file, nullptr);
    EXPECT_EQ(rig_.content(c_, "f").size(), 300'000u);
    must(tree().unlink(c_, "f"));
    EXPECT_EQ(files(), 0u) << "nobody is taken to have it open";
    EXPECT_EQ(used_bytes(), 0u);
}

}  // namespace
}  // namespace reelfs::core
