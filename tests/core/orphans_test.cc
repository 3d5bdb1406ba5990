// A file without names lives for who has it open, and goes with the last of them; not later.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "core/catalog_walk.h"
#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/core/audit.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::kAnyHash;
using test::kHere;
using test::must;
using test::SeededRandom;
using test::StoreRig;

/// Everything by which a file gets and loses names and users, of a few names, at the same time.
class Crowd {
  public:
    Crowd(StoreRig& rig, NodeId container, std::uint64_t seed)
        : rig_(rig), c_(container), random_(seed) {}
    void act() {
        rig_.clock().advance_ms(static_cast<std::int64_t>(random_.below(50)));
        switch (random_.below(12)) {
            case 0:
            case 1:
                return write();
            case 2:
                return with_open({.read = true}, [&](OpenFile& file) {
                    std::vector<std::byte> bytes(1'000);
                    expect_usual(tree().read(file, random_.below(5'000), bytes));
                });
            case 3:
                return with_open({.read = true, .write = true, .truncate = random_.one_in(2)},
                                 [&](OpenFile& file) { expect_usual(tree().fsync(file)); });
            case 4:
                return expect_usual(tree().unlink(c_, name()));
            case 5:
                return expect_usual(tree().rename(
                    c_, name(), c_, name(),
                    random_.one_in(3) ? RenameMode::kExchange : RenameMode::kReplace));
            case 6:
                return upload();
            case 7:
                return expect_usual(tree().delete_object("c", {name()}));
            case 8: {
                const auto found = tree().lookup(c_, name());
                if (found) expect_usual(tree().link(found->node, c_, name()));
                return;
            }
            case 9: {
                const auto found = tree().lookup_and_remember(c_, name());
                expect_usual(found);
                act();
                if (found) tree().forget(found->node, 1);
                return;
            }
            case 10:
                return expect_usual(tree().open_object(kHere, "c", {name()}));
            default:
                return copy();
        }
    }

  private:
    Tree& tree() { return rig_.tree(); }
    std::string name() { return std::string(1, static_cast<char>('a' + random_.below(4))); }
    std::vector<std::byte> noise() {
        std::vector<std::byte> bytes(1 + random_.below(20'000));
        random_.fill(bytes);
        return bytes;
    }
    template <class T>
    void expect_usual(const Result<T>& result) {
        if (result) return;
        const Errc code = result.error().code();
        EXPECT_TRUE(code == Errc::kNotFound || code == Errc::kExists || code == Errc::kStale ||
                    code == Errc::kBusy || code == Errc::kNotPermitted)
            << result.error().message();
    }
    void with_open(OpenFlags flags, const std::function<void(OpenFile&)>& use) {
        const auto found = tree().lookup(c_, name());
        if (!found) return expect_usual(found);
        auto file = tree().open(found->node, flags);
        if (!file) return expect_usual(file);
        use(**file);
        tree().release(*std::move(file));
    }
    void write() {
        auto made = tree().create({}, c_, name(), 0644, {.read = true, .write = true});
        if (!made) return expect_usual(made);
        expect_usual(tree().write({}, *made->file, random_.below(3'000), noise()));
        if (random_.one_in(2)) expect_usual(tree().flush(*made->file));
        tree().release(std::move(made->file));
    }
    void upload() {
        UploadOptions options;
        options.ticket = tree().draw_ticket();
        options.streaming = random_.one_in(2);
        auto begun = tree().begin_upload("c", {name()}, options);
        if (!begun) return expect_usual(begun);
        expect_usual((*begun)->append(noise()));
        if (random_.one_in(4)) return;  // given up
        (*begun)->complete();
        expect_usual((*begun)->make_durable());
        expect_usual((*begun)->publish(kAnyHash));
    }
    void copy() {
        with_open({.read = true}, [&](OpenFile& from) {
            auto made = tree().create({}, c_, name(), 0644, {.read = true, .write = true});
            if (!made) return expect_usual(made);
            expect_usual(tree().copy_range({}, from, 0, *made->file, 0, UINT64_MAX / 2));
            tree().release(std::move(made->file));
        });
    }

    StoreRig& rig_;
    const NodeId c_;
    SeededRandom random_;
};

class OrphansTest : public ::testing::Test {
  protected:
    OrphansTest() : rig_(random_), c_(rig_.container()) {}
    Tree& tree() { return rig_.tree(); }

    /// Runs `takes_away`, which takes away the file's last name; the last of those who have it open
    /// leaves in the midst of that, when the rows have changed and nothing is committed yet.
    void leave_during(std::shared_ptr<OpenFile> file, const std::function<void()>& takes_away) {
        rig_.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            if (file && call.kind == test::DiskCall::kWrite && call.path.ends_with("-wal"))
                tree().release(std::exchange(file, nullptr));
            return std::nullopt;
        });
        takes_away();
        rig_.disk().set_hook({});
        EXPECT_EQ(file, nullptr) << "or nothing was proven";
    }
    /// That have a name.
    std::uint64_t objects() {
        std::set<NodeId> objects;
        auto listing = must(tree().open_directory(c_));
        must(tree().list(*listing, 2, false, [&](const Tree::Listed& entry) {
            objects.insert(entry.node);
            return true;
        }));
        return objects.size();
    }
    std::uint64_t files() { return must(tree().space()).nodes - 2; }
    std::uint64_t used_bytes() { return must(tree().container("c")).used.bytes; }

    void run_crowd() {
        const std::uint64_t turns =
            test::scaled("turns of each of four at the same names", 5'000, 50'000);
        std::vector<std::jthread> crowd;
        for (std::uint64_t i = 0; i < 4; ++i)
            crowd.emplace_back([&, i] {
                Crowd one(rig_, c_, random_.seed() + i);
                for (std::uint64_t turn = 0; turn < turns; ++turn) one.act();
            });
    }
    /// After the last round of the background there is none.
    void expect_none() {
        rig_.background_ms = 0;
        rig_.close();
        auto keyring = must(load_keyring(rig_.disk(), "/data/store/keyring", test::test_key()));
        auto opened = must(catalog::open_catalog(rig_.disk(), random_, keyring.page_key(),
                                                 {"/data/store/catalog", 4 << 20}));
        for (const auto& finding : must(audit_content(*opened.catalog)).findings)
            ADD_FAILURE() << finding.text;
        must(walk_nodes(*opened.catalog, [&](const catalog::NodeRow& row) -> Result<void> {
            EXPECT_GT(row.attributes.links, 0u) << "node " << row.attributes.node.value();
            return done();
        }));
        must(opened.catalog->close());
        rig_.open();
    }

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
            leave_during(std::move(file), one.take_away);
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

TEST_F(OrphansTest, NothingIsLeftOfWhatManyTakeAwayAtOnce) {
    run_crowd();
    EXPECT_EQ(must(tree().container("c")).used.objects, objects());
    expect_none();
}

TEST_F(OrphansTest, NothingIsLeftOfWhatExpiresMeanwhile) {
    must(tree().put_document("c", DocumentKind::kLifecycle,
                             R"({"rules":[{"definition":{"path":[{"wildcard":"*"}],
        "seconds_since_create":[{"numeric":[">=",10]}]},"action":"EXPIRE"}]})"));
    rig_.close();
    rig_.background_ms = 20;
    rig_.open();
    run_crowd();
    expect_none();
}

}  // namespace
}  // namespace reelfs::core
