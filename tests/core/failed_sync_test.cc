// A failed sync is final: whoever wrote is told, whoever asks later is told again, and nothing is
// promised that is not durable.
#include <gtest/gtest.h>

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::Crash;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class FailedSyncTest : public ::testing::Test {
  protected:
    FailedSyncTest() : rig_(random_) {}

    /// The next sync of a pack fails, once.
    void fail_next_pack_sync() {
        rig_.disk().set_hook(
            [failed = false](const test::CallInfo& call) mutable -> std::optional<test::DiskFault> {
                if (failed || call.kind != test::DiskCall::kSync ||
                    call.path.find("/packs/") == std::string::npos)
                    return std::nullopt;
                failed = true;
                return test::DiskFault{};
            });
    }
    std::shared_ptr<OpenFile> open(std::string_view name) {
        return must(rig_.tree().open(must(rig_.tree().lookup(rig_.container(), name)).node,
                                     {.read = true, .write = true}));
    }
    void finish(std::shared_ptr<OpenFile> file) { rig_.tree().release(std::move(file)); }
    static void expect_io(const Result<void>& result) {
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error().code(), Errc::kIo) << result.error().message();
    }

    SeededRandom random_;
    StoreRig rig_;
};

TEST_F(FailedSyncTest, IsToldToEveryHandleByFsyncAndByClose) {
    auto one = rig_.create(rig_.container(), "f");
    auto two = open("f");
    must(rig_.tree().write({}, *one, 0, rig_.noise(100'000)));
    fail_next_pack_sync();
    expect_io(rig_.tree().fsync(*one));
    expect_io(rig_.tree().fsync(*one));
    expect_io(rig_.tree().fsync(*two));
    expect_io(rig_.tree().flush(*two));
    expect_io(rig_.tree().flush(*one));
    finish(one);
    finish(two);
    auto later = open("f");
    expect_io(rig_.tree().fsync(*later));
    finish(later);
}

TEST_F(FailedSyncTest, OfABarrierIsToldByTheCloseOfWhoWroteBefore) {
    auto file = rig_.create(rig_.container(), "f");
    must(rig_.tree().write({}, *file, 0, rig_.noise(100'000)));
    must(rig_.tree().flush(*file));
    fail_next_pack_sync();
    EXPECT_FALSE(rig_.tree().sync().ok());
    expect_io(rig_.tree().flush(*file));
    expect_io(rig_.tree().fsync(*file));
    finish(file);
}

TEST_F(FailedSyncTest, IsNotForgottenByTheNextBarrier) {
    rig_.put(rig_.container(), "f", rig_.noise(100'000));
    fail_next_pack_sync();
    EXPECT_FALSE(rig_.tree().sync().ok());
    EXPECT_FALSE(rig_.tree().sync().ok()) << "what was closed before is still not durable";
    rig_.put(rig_.container(), "other", rig_.noise(100'000));
    EXPECT_FALSE(rig_.tree().sync().ok());
    must(rig_.tree().unlink(rig_.container(), "f"));
    EXPECT_TRUE(rig_.tree().sync().ok()) << "nothing is named any more that is not durable";
}

TEST_F(FailedSyncTest, IsNotACleanStop) {
    const auto bytes = rig_.noise(100'000);
    rig_.put(rig_.container(), "f", bytes);
    fail_next_pack_sync();
    EXPECT_FALSE(rig_.tree().sync().ok());
    EXPECT_FALSE(rig_.volume().close().ok());
    rig_.crash(Crash::kWritten);
    EXPECT_FALSE(rig_.volume().open_report().empty()) << "a file was cut";
    const auto left = rig_.content(rig_.container(), "f");
    ASSERT_LE(left.size(), bytes.size());
    EXPECT_TRUE(std::equal(left.begin(), left.end(), bytes.begin()));
}

TEST_F(FailedSyncTest, EndsForAFileThatIsWrittenAnew) {
    auto file = rig_.create(rig_.container(), "f");
    must(rig_.tree().write({}, *file, 0, rig_.noise(100'000)));
    fail_next_pack_sync();
    expect_io(rig_.tree().fsync(*file));
    finish(file);
    const auto bytes = rig_.noise(120'000);
    file = must(rig_.tree().open(must(rig_.tree().lookup(rig_.container(), "f")).node,
                                 {.write = true, .truncate = true}));
    must(rig_.tree().write({}, *file, 0, bytes));
    must(rig_.tree().fsync(*file));
    must(rig_.tree().flush(*file));
    finish(file);
    must(rig_.tree().sync());
    rig_.crash(Crash::kSynced);
    EXPECT_EQ(rig_.content(rig_.container(), "f"), bytes);
}

TEST_F(FailedSyncTest, OfOneFileIsNobodyElses) {
    auto file = rig_.create(rig_.container(), "f");
    must(rig_.tree().write({}, *file, 0, rig_.noise(100'000)));
    fail_next_pack_sync();
    expect_io(rig_.tree().fsync(*file));
    const auto bytes = rig_.noise(120'000);
    auto other = rig_.create(rig_.container(), "other");
    must(rig_.tree().write({}, *other, 0, bytes));
    must(rig_.tree().fsync(*other));
    finish(other);
    finish(file);
    rig_.crash(Crash::kSynced);
    EXPECT_EQ(rig_.content(rig_.container(), "other"), bytes);
}

TEST_F(FailedSyncTest, OfTheLogTakesNoWriteUntilARestart) {
    auto file = rig_.create(rig_.container(), "f");
    must(rig_.tree().write({}, *file, 0, rig_.noise(100'000)));
    rig_.disk().set_hook([](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == test::DiskCall::kSync && call.path.ends_with("-wal"))
            return test::DiskFault{};
        return std::nullopt;
    });
    EXPECT_FALSE(rig_.tree().fsync(*file).ok());
    rig_.disk().set_hook({});
    EXPECT_FALSE(rig_.tree().fsync(*file).ok()) << "the disk works again, the promise does not";
    EXPECT_FALSE(rig_.tree().sync().ok());
    EXPECT_EQ(rig_.tree().create({}, rig_.container(), "g", 0644, {.write = true}).error().code(),
              Errc::kReadOnly);
    EXPECT_NE(rig_.volume().degraded(), "");
    finish(file);
    rig_.crash(Crash::kMixed);
    EXPECT_EQ(rig_.volume().degraded(), "");
    rig_.put(rig_.container(), "h", rig_.noise(1'000));
}

}  // namespace
}  // namespace reelfs::core
