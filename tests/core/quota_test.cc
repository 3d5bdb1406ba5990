// Quotas of containers: refused where a limit is crossed, exactly, and nowhere else; usage that
// equals a count of what is there, after whatever stop.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "core/test_store.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {
namespace {

using limits::KiB;
using limits::MiB;
using test::Crash;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class QuotaTest : public ::testing::Test {
  protected:
    SeededRandom random_;
    StoreRig rig_{random_};

    Tree& tree() { return rig_.tree(); }
    NodeId c() { return rig_.container(); }
    void limit(std::optional<std::uint64_t> bytes, std::optional<std::uint64_t> objects = {}) {
        c();
        must(tree().set_quota("c", {.bytes = bytes, .objects = objects}));
    }
    Usage used() { return must(tree().container("c")).used; }
    /// What a walk over all names counts.
    Usage counted(NodeId folder) {
        Usage usage;
        auto directory = must(tree().open_directory(folder));
        std::vector<NodeId> folders;
        std::set<NodeId> seen;
        must(tree().list(*directory, 0, true, [&](const Tree::Listed& entry) {
            if (entry.attributes == nullptr || !seen.insert(entry.node).second) return true;
            usage.bytes += entry.attributes->allocated_bytes;
            ++usage.objects;
            if (entry.type == NodeType::kDirectory) folders.push_back(entry.node);
            return true;
        }));
        for (NodeId below : folders) {
            const Usage more = counted(below);
            usage.bytes += more.bytes;
            usage.objects += more.objects;
        }
        return usage;
    }
    Errc write(OpenFile& file, std::uint64_t offset, std::uint64_t length) {
        auto written = tree().write({}, file, offset, rig_.noise(length));
        return written ? Errc::kNotFound : written.error().code();
    }
    static constexpr Errc kFine = Errc::kNotFound;
};

TEST_F(QuotaTest, TheWriteThatCrossesTheLimitIsRefusedAndTheOneThatFillsItIsNot) {
    limit(MiB);
    auto file = rig_.create(c(), "f");
    EXPECT_EQ(write(*file, 0, 512 * KiB), kFine);
    EXPECT_EQ(write(*file, 512 * KiB, 512 * KiB + 1), Errc::kQuota);
    EXPECT_EQ(write(*file, 512 * KiB, 512 * KiB), kFine);
    EXPECT_EQ(write(*file, MiB, 1), Errc::kQuota);
    // In place it costs nothing, whether it is still in memory or not.
    EXPECT_EQ(write(*file, 1'000, 300'000), kFine);
    must(tree().flush(*file));
    EXPECT_EQ(write(*file, 5'000, 300'000), kFine);
    EXPECT_EQ(write(*file, MiB, 1), Errc::kQuota);
    must(tree().flush(*file));
    EXPECT_EQ(used().bytes, MiB);
    EXPECT_EQ(must(tree().attributes(tree().node_of(*file))).size, MiB);
    tree().release(file);
}

TEST_F(QuotaTest, FilesShareTheLimitAndWhatIsRemovedCanBeWrittenAgain) {
    limit(MiB);
    rig_.put(c(), "a", rig_.noise(700 * KiB));
    auto b = rig_.create(c(), "b");
    EXPECT_EQ(write(*b, 0, 400 * KiB), Errc::kQuota);
    must(tree().unlink(c(), "a"));
    EXPECT_EQ(write(*b, 0, 400 * KiB), kFine);
    must(tree().flush(*b));
    AttributeChange cut;
    cut.size = 0;
    must(tree().change({}, tree().node_of(*b), cut));
    EXPECT_EQ(write(*b, 0, MiB), kFine);
    EXPECT_EQ(write(*b, MiB, 1), Errc::kQuota);
    cut.size = 1'000;  // of what is still in memory
    must(tree().change({}, tree().node_of(*b), cut));
    EXPECT_EQ(write(*b, 1'000, MiB - 1'024), kFine);
    tree().release(b);
}

TEST_F(QuotaTest, AFileWithoutANameCountsUntilItsLastHandleGoes) {
    limit(MiB);
    auto a = rig_.create(c(), "a"), b = rig_.create(c(), "b");
    EXPECT_EQ(write(*a, 0, MiB), kFine);
    must(tree().flush(*a));
    must(tree().unlink(c(), "a"));
    EXPECT_EQ(write(*b, 0, 1), Errc::kQuota);
    tree().release(a);
    EXPECT_EQ(write(*b, 0, 1), kFine);
    tree().release(b);
}

TEST_F(QuotaTest, HolesCostNothingAndFillingThemDoes) {
    limit(MiB);
    auto file = rig_.create(c(), "f");
    AttributeChange grow;
    grow.size = 100 * MiB;
    must(tree().change({}, tree().node_of(*file), grow));
    EXPECT_EQ(write(*file, 50 * MiB, MiB), kFine);
    EXPECT_EQ(write(*file, 10 * MiB, 1), Errc::kQuota);
    must(tree().allocate({}, *file, AllocateMode::kPunchHole, 50 * MiB, MiB));
    EXPECT_EQ(write(*file, 10 * MiB, MiB / 2), kFine);
    tree().release(file);
}

TEST_F(QuotaTest, AllocationSaysWhetherThereIsRoom) {
    limit(MiB);
    auto file = rig_.create(c(), "f");
    EXPECT_EQ(write(*file, 0, MiB / 2), kFine);
    EXPECT_EQ(tree().allocate({}, *file, AllocateMode::kAllocate, 0, 2 * MiB).error().code(),
              Errc::kQuota);
    EXPECT_EQ(tree().allocate({}, *file, AllocateMode::kKeepSize, MiB, MiB).error().code(),
              Errc::kQuota);
    must(tree().allocate({}, *file, AllocateMode::kAllocate, 0, MiB));
    tree().release(file);
}

TEST_F(QuotaTest, ACopyCountsThoughItSharesEveryByte) {
    limit(MiB);
    rig_.put(c(), "a", rig_.noise(600 * KiB));
    auto a = must(tree().open(must(tree().lookup(c(), "a")).node, {.read = true}));
    auto b = rig_.create(c(), "b");
    EXPECT_EQ(tree().copy_range({}, *a, 0, *b, 0, UINT64_MAX).error().code(), Errc::kQuota);
    EXPECT_EQ(must(tree().copy_range({}, *a, 0, *b, 0, 400 * KiB)), 400 * KiB);
    EXPECT_EQ(must(tree().copy_range({}, *a, 100 * KiB, *b, 0, 400 * KiB)), 400 * KiB);
    EXPECT_EQ(used().bytes, 1'000 * KiB);
    tree().release(a);
    tree().release(b);
    EXPECT_TRUE(must(rig_.volume().audit()).empty());
}

TEST_F(QuotaTest, ObjectsAreWhatHasAName) {
    limit({}, 3);
    rig_.put(c(), "a", {});
    const NodeId folder = must(tree().make_directory({}, c(), "d", 0755)).node;
    must(tree().link(must(tree().lookup(c(), "a")).node, folder, "again"));  // no new object
    must(tree().make_symlink({}, folder, "l", "a"));
    EXPECT_EQ(tree().create({}, c(), "x", 0644, {.write = true}).error().code(), Errc::kQuota);
    EXPECT_EQ(tree().make_directory({}, c(), "x", 0755).error().code(), Errc::kQuota);
    EXPECT_EQ(tree().make_symlink({}, c(), "x", "a").error().code(), Errc::kQuota);
    must(tree().rename(folder, "again", c(), "b", RenameMode::kReplace));
    EXPECT_EQ(used(), counted(c()));
    must(tree().unlink(folder, "l"));
    rig_.put(c(), "x", {});
    EXPECT_EQ(used().objects, 3u);
    must(tree().set_quota("c", {.bytes = {}, .objects = std::optional<std::uint64_t>()}));
    rig_.put(c(), "y", {});
}

TEST_F(QuotaTest, AnUploadIsRefusedWholeAndReplacingNeedsNoFurtherObject) {
    limit(MiB, 1);
    const auto put = [&](const char* name, std::size_t size) -> Result<Uploaded> {
        UploadOptions options;
        options.ticket = tree().draw_ticket();
        RF_TRY(auto upload, tree().begin_upload("c", {name}, options));
        RF_CHECK(upload->append(rig_.noise(size)));
        upload->complete();
        RF_CHECK(upload->make_durable());
        return upload->publish(std::vector<std::byte>(32));
    };
    must(put("a", 100'000));
    must(put("a", 200'000));
    EXPECT_EQ(put("b", 10).error().code(), Errc::kQuota);
    EXPECT_EQ(put("a", 900'000).error().code(), Errc::kQuota);
    rig_.reopen();
    EXPECT_EQ(rig_.content(c(), "a").size(), 200'000u);
    EXPECT_EQ(used(), counted(c()));
    EXPECT_EQ(used().objects, 1u);
    EXPECT_EQ(must(tree().space()).nodes, 3u);
}

TEST_F(QuotaTest, SpaceIsToldAsTheQuotaLeavesIt) {
    const NodeId a = must(tree().make_directory({}, c(), "a", 0755)).node;
    const Space whole = must(tree().space(a));
    limit(10 * MiB, 5);
    rig_.put(a, "f", rig_.noise(3 * MiB));
    const Space space = must(tree().space(a));
    EXPECT_EQ(space.total_bytes, 10 * MiB);
    EXPECT_EQ(space.free_bytes, 7 * MiB);
    EXPECT_EQ(space.nodes, 2u);
    EXPECT_EQ(space.free_nodes, 3u);
    EXPECT_EQ(must(tree().space()).total_bytes, whole.total_bytes);
    EXPECT_FALSE(must(tree().space()).free_nodes.has_value());
}

TEST_F(QuotaTest, UsageIsWhatAWalkCountsAfterEveryStop) {
    limit(100 * MiB, 1'000);
    const NodeId folder = must(tree().make_directory({}, c(), "d", 0755)).node;
    for (int step = 0; step < 300; ++step) {
        const std::string name = "f" + std::to_string(random_.below(12));
        const NodeId where = random_.one_in(2) ? c() : folder;
        auto found = tree().lookup(where, name);
        switch (random_.below(8)) {
            case 0:
                if (found) must(tree().unlink(where, name));
                break;
            case 1:
                if (found) {
                    AttributeChange cut;
                    cut.size = random_.below(60'000);
                    must(tree().change({}, found->node, cut));
                }
                break;
            case 2:
                if (found) must(tree().rename(where, name, folder, "f0", RenameMode::kReplace));
                break;
            case 3:
                if (found && !tree().lookup(folder, "copy")) {
                    auto from = must(tree().open(found->node, {.read = true}));
                    auto to = rig_.create(folder, "copy");
                    must(tree().copy_range({}, *from, 0, *to, 0, UINT64_MAX));
                    must(tree().flush(*to));
                    tree().release(from);
                    tree().release(to);
                }
                break;
            case 4:
                if (!random_.one_in(3)) break;
                switch (random_.below(3)) {
                    case 0:
                        rig_.reopen();
                        break;
                    case 1:
                        rig_.kill();
                        break;
                    default:
                        must(tree().sync());  // or the container itself may go
                        rig_.crash(test::kEveryCrash[random_.below(test::kEveryCrash.size())]);
                }
                break;
            default:
                if (!found) rig_.put(where, name, rig_.noise(random_.below(100'000)));
        }
        ASSERT_EQ(used(), counted(c())) << "step " << step;
    }
}

TEST_F(QuotaTest, ALimitSurvivesAndOutlivesStops) {
    limit(MiB, 2);
    rig_.crash(Crash::kSynced);
    const ContainerInfo info = must(tree().container("c"));
    EXPECT_EQ(info.quota, (Quota{.bytes = MiB, .objects = 2}));
    auto file = rig_.create(c(), "f");
    EXPECT_EQ(write(*file, 0, MiB + 1), Errc::kQuota);
    tree().release(file);
    EXPECT_EQ(tree().set_quota("nobody", {}).error().code(), Errc::kNotFound);
}

/// Writers that together want more than there is: none gets beyond, and all that fits is used.
TEST_F(QuotaTest, WritersAtOnceNeverCrossTheLimit) {
    limit(4 * MiB);
    rig_.background_ms = 5;
    rig_.reopen();
    std::atomic<std::uint64_t> written{0};
    {
        std::vector<std::jthread> writers;
        for (int i = 0; i < 4; ++i)
            writers.emplace_back([&, i] {
                auto file = rig_.create(c(), "f" + std::to_string(i));
                const auto piece = rig_.noise(8 * KiB);
                for (std::uint64_t at = 0;; at += piece.size()) {
                    auto result = tree().write({}, *file, at, piece);
                    if (!result) {
                        EXPECT_EQ(result.error().code(), Errc::kQuota);
                        break;
                    }
                    written += piece.size();
                    if (at % (64 * KiB) == 0) must(tree().flush(*file));
                }
                must(tree().flush(*file));
                tree().release(file);
            });
    }
    EXPECT_EQ(written.load(), 4 * MiB);
    EXPECT_EQ(used().bytes, 4 * MiB);
    rig_.background_ms = 0;
    rig_.reopen();
}

}  // namespace
}  // namespace reelfs::core
