// Who watches an object is told of every change of where its name leads, and of the end of writing.
#include "core/name_watches.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "test_store.h"

namespace reelfs::test {
namespace {

class NameWatchesTest : public ::testing::Test {
  protected:
    core::Tree& tree() { return rig_.tree(); }
    /// Whether `act` wakes who watches a/b/o.
    bool wakes(const std::function<void()>& act) {
        std::atomic<int> woken = 0;
        auto watched = tree().watch_object(kHere, "c", {"a", "b", "o"}, [&] { ++woken; });
        EXPECT_EQ(woken, 0);
        act();
        watched.token.reset();
        EXPECT_LE(woken, 1) << "once";
        return woken > 0;
    }
    NodeId folder(NodeId parent, std::string_view name) {
        return must(tree().make_directory({}, parent, name, 0755)).node;
    }

    SeededRandom random_;
    StoreRig rig_{random_};
    const NodeId c_ = rig_.container();
};

TEST_F(NameWatchesTest, EveryChangeOfANameOnTheWayIsTold) {
    NodeId a, b;
    EXPECT_TRUE(wakes([&] { a = folder(c_, "a"); }));
    EXPECT_FALSE(wakes([&] { folder(c_, "other"); }));
    EXPECT_TRUE(wakes([&] { b = folder(a, "b"); }));
    std::shared_ptr<core::OpenFile> file;
    EXPECT_TRUE(wakes([&] { file = rig_.create(b, "o"); }));
    EXPECT_FALSE(wakes([&] { must(tree().write({}, *file, 0, bytes_of("half"))); }));
    EXPECT_TRUE(wakes([&] { tree().release(file); })) << "the last writer has gone";
    rig_.put(b, "tmp", bytes_of("new"));
    EXPECT_TRUE(wakes([&] { must(tree().rename(b, "tmp", b, "o", core::RenameMode::kReplace)); }));
    EXPECT_TRUE(wakes([&] { must(tree().rename(b, "o", b, "p", core::RenameMode::kReplace)); }));
    EXPECT_TRUE(wakes([&] { must(tree().link(must(tree().lookup(b, "p")).node, b, "o")); }));
    EXPECT_TRUE(wakes([&] { must(tree().unlink(b, "o")); }));
    EXPECT_TRUE(wakes([&] { must(tree().rename(c_, "a", c_, "z", core::RenameMode::kReplace)); }));
    EXPECT_TRUE(wakes([&] { must(tree().make_symlink({}, c_, "a", "z")); }));
    EXPECT_TRUE(wakes([&] { must(tree().rename(b, "p", b, "o", core::RenameMode::kReplace)); }))
        << "also behind a link";
    auto again = must(tree().open(must(tree().lookup(b, "o")).node, {.read = true, .write = true}));
    auto second =
        must(tree().open(must(tree().lookup(b, "o")).node, {.read = true, .write = true}));
    EXPECT_FALSE(wakes([&] { tree().release(again); })) << "another still writes";
    EXPECT_TRUE(wakes([&] { tree().release(second); }));
}

TEST_F(NameWatchesTest, UploadsAreTold) {
    const auto begin = [&](bool streaming) {
        core::UploadOptions options;
        options.ticket = tree().draw_ticket();
        options.streaming = streaming;
        return must(tree().begin_upload("c", {"a", "b", "o"}, options));
    };
    const auto publish = [&](core::Upload& upload) {
        upload.complete();
        must(upload.make_durable());
        must(upload.publish(kAnyHash));
    };
    auto upload = begin(false);
    EXPECT_FALSE(wakes([&] { must(upload->append(bytes_of("abc"))); }));
    EXPECT_TRUE(wakes([&] { publish(*upload); }));
    upload.reset();
    upload = begin(true);
    EXPECT_TRUE(wakes([&] { must(upload->append(bytes_of("abc"))); })) << "it is shown";
    EXPECT_TRUE(wakes([&] { publish(*upload); })) << "it is complete";
    upload.reset();
    upload = begin(true);
    must(upload->append(bytes_of("abc")));
    EXPECT_TRUE(wakes([&] { upload.reset(); })) << "it failed, and the one before is back";
    EXPECT_TRUE(wakes([&] { must(tree().delete_object("c", {"a", "b", "o"})); }));
}

TEST_F(NameWatchesTest, ADroppedWatchIsNotCalledAfterTheDropHasReturned) {
    core::NameWatches watches;
    std::atomic<bool> stop = false;
    std::thread changer([&] {
        while (!stop) watches.changed(NodeId(1), "a");
    });
    for (int i = 0; i < 2'000; ++i) {
        auto alive = std::make_unique<std::atomic<int>>(0);
        auto watch = watches.watch([&woken = *alive] { ++woken; });
        watches.add(watch, NodeId(1), "a");
        watches.add(watch, NodeId(2), "b");
        watch->cancel();
        const int then = *alive;
        EXPECT_LE(then, 1);
        watch.reset();
        EXPECT_EQ(*alive, then);
    }
    stop = true;
    changer.join();
}

TEST_F(NameWatchesTest, NothingIsMissedBetweenRegisteringAndLooking) {
    const NodeId a = folder(c_, "a"), b = folder(a, "b");
    rig_.put(b, "o", bytes_of("0"));
    constexpr int kVersions = 300;
    std::thread writer([&] {
        for (int i = 1; i <= kVersions; ++i) {
            rig_.put(b, "tmp", bytes_of(std::to_string(i)));
            must(tree().rename(b, "tmp", b, "o", core::RenameMode::kReplace));
        }
    });
    Mutex mutex;
    CondVar changed;
    for (std::string seen; seen != std::to_string(kVersions);) {
        bool woken = false;
        auto watched = tree().watch_object(kHere, "c", {"a", "b", "o"}, [&] {
            MutexLock lock(mutex);
            woken = true;
            changed.notify_all();
        });
        auto reader = must(std::move(watched.opened));
        Pins pins;
        must(reader->read(0, reader->state().size, pins));
        seen.clear();
        for (const auto& pin : pins) seen.append(text_of(pin.bytes));
        if (seen != std::to_string(kVersions)) {
            MutexLock lock(mutex);
            while (!woken) changed.wait(mutex);
        }
        watched.token.reset();
    }
    writer.join();
}

}  // namespace
}  // namespace reelfs::test
