// Power cuts, kills, and every single failing call.
#include <set>

#include "catalog/fixture.h"

namespace reelfs::catalog {
namespace {

/// Node `id` is made by the id-th transaction. Every third is synced; now and then a checkpoint,
/// and a large transaction that spills. `acknowledged` is the last that a sync covered.
struct Workload {
    std::uint64_t committed = 0;
    std::uint64_t acknowledged = 0;

    static Result<void> make(Catalog& catalog, std::uint64_t id) {
        return catalog.write([&](Writer& writer) -> Result<void> {
            RF_CHECK(writer.insert_node(file_row(id)));
            if (id % 20 == 7) {
                const std::string value(60'000, static_cast<char>('a' + id % 26));
                for (int i = 0; i < 45; ++i)
                    RF_CHECK(writer.set_xattr(NodeId(id), std::to_string(i), bytes_of(value)));
                // Pages that were spilled change again: their frames are written anew.
                for (int i = 0; i < 45; i += 11)
                    RF_CHECK(writer.set_xattr(NodeId(id), std::to_string(i), bytes_of("x")));
            }
            return writer.insert_entry(kRootNode, {.name = std::to_string(id), .node = NodeId(id)});
        });
    }

    Result<void> run(Catalog& catalog, std::uint64_t first, std::uint64_t last) {
        for (std::uint64_t id = first; id <= last; ++id) {
            RF_CHECK(make(catalog, id));
            committed = id;
            if (id % 3 == 0) {
                RF_CHECK(catalog.sync());
                acknowledged = id;
            }
            if (id % 10 == 0) {
                RF_CHECK(catalog.checkpoint());
                acknowledged = id;
            }
        }
        return done();
    }
};

/// Nodes 1.. are there up to some number, and none after; answers that number.
std::uint64_t prefix(Catalog& catalog, std::uint64_t tried) {
    std::uint64_t there = 0;
    for (std::uint64_t id = 1; id <= tried + 1; ++id) {
        auto found = has_node(catalog, id);
        EXPECT_TRUE(found.ok()) << found.error().message();
        if (!found.ok()) return there;
        if (*found) {
            EXPECT_EQ(there, id - 1) << "a hole before " << id;
            there = id;
        }
        auto entry = ask<std::optional<NodeId>>(
            catalog, [&](Reader& reader) { return reader.entry(kRootNode, std::to_string(id)); });
        EXPECT_TRUE(entry.ok() && entry->has_value() == *found) << id;
        if (*found && id % 20 == 7) {
            auto value = ask<std::optional<std::vector<std::byte>>>(
                catalog, [&](Reader& reader) { return reader.xattr(NodeId(id), "44"); });
            EXPECT_TRUE(value.ok() && *value && text_of(**value) == "x") << id;
        }
    }
    return there;
}

/// Opens what is left, checks promises, writes more, and does it once again after a clean stop.
void check_left(test::SimDisk& disk, Random& random, const Workload& work, std::uint64_t at_least,
                const std::string& what) {
    SCOPED_TRACE(what);
    std::uint64_t there = 0;
    {
        auto opened = open_on(disk, random);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        there = prefix(*opened->catalog, work.committed + 1);
        EXPECT_GE(there, at_least);
        EXPECT_LE(there, work.committed + 1);
        ASSERT_OK(create(*opened->catalog, there + 1, std::to_string(there + 1)));
        ASSERT_OK(opened->catalog->close());
    }
    auto again = open_on(disk, random);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_TRUE(again->opened.clean);
    EXPECT_TRUE(*has_node(*again->catalog, there + 1));
}

TEST(PowerCut, AtAnyMomentLeavesAPrefixWithAllThatWasSynced) {
    test::SeededRandom random;
    std::uint64_t calls = 0;
    {
        auto disk = new_disk();
        Workload work;
        {
            auto opened = open_on(*disk, random);
            ASSERT_OK(work.run(*opened->catalog, 1, 45));
            ASSERT_OK(opened->catalog->close());
        }
        calls = disk->calls();
    }
    const std::uint64_t stride = std::max<std::uint64_t>(1, calls * kSlower / 60);
    for (std::uint64_t cut = 1; cut <= calls; cut += 1 + random.below(2 * stride)) {
        auto disk = new_disk();
        disk->cut_power_at(cut);
        Workload work;
        {
            auto opened = open_on(*disk, random);
            if (opened && work.run(*opened->catalog, 1, 45)) (void)opened->catalog->close();
        }
        for (test::Crash choice : test::kEveryCrash) {
            auto left = disk->crash(choice, random);
            left->prepare("/store");
            check_left(*left, random, work, work.acknowledged,
                       "cut at call " + std::to_string(cut) + ", crash " +
                           std::to_string(static_cast<int>(choice)));
            if (testing::Test::HasFailure()) return;
        }
        auto killed = disk->kill();
        check_left(*killed, random, work, work.committed, "killed at call " + std::to_string(cut));
        if (testing::Test::HasFailure()) return;
    }
}

TEST(PowerCut, AfterManyLivesStillLeavesAPrefix) {
    test::SeededRandom random;
    auto disk = new_disk();
    Workload work;
    std::uint64_t next = 1;
    for (int life = 0; life < 40; ++life) {
        {
            auto opened = open_on(*disk, random);
            ASSERT_TRUE(opened.ok()) << opened.error().message();
            next = prefix(*opened->catalog, work.committed) + 1;
            ASSERT_GT(next, work.acknowledged);
            work.committed = work.acknowledged = next - 1;
            ASSERT_OK(opened->catalog->sync());
            disk->cut_power_at(1 + random.below(200));
            (void)work.run(*opened->catalog, next, next + 30);
        }
        disk = disk->crash(test::kEveryCrash[random.below(test::kEveryCrash.size())], random);
    }
    EXPECT_GT(next, 1u);
}

/// Fails the n-th call of a kind for every n until the workload meets none, and checks each time
/// that what was acknowledged is there, in this life and after.
void fail_each(test::DiskCall kind, Errc code) {
    test::SeededRandom random;
    for (std::uint64_t n = 1;; n += 1 + n * kSlower / 12) {
        SCOPED_TRACE("call " + std::to_string(n));
        auto disk = new_disk();
        Workload work;
        bool met = false;
        bool is_read_only = false;
        {
            auto opened = open_on(*disk, random);
            ASSERT_TRUE(opened.ok()) << opened.error().message();
            disk->fail_nth(kind, n, {.code = code, .written_bytes = random.below(6000)});
            const std::uint64_t before = disk->calls(kind);
            auto result = work.run(*opened->catalog, 1, 32);
            met = disk->calls(kind) - before >= n;
            is_read_only = opened->catalog->read_only();
            EXPECT_EQ(is_read_only, !result.ok() && (code == Errc::kIo));
            EXPECT_EQ(prefix(*opened->catalog, work.committed), work.committed);
            if (is_read_only) {
                EXPECT_FAILS(Errc::kReadOnly, create(*opened->catalog, 1000));
                EXPECT_FAILS(Errc::kReadOnly, opened->catalog->sync());
            } else {
                // The disk has room again: the catalog goes on.
                disk->set_hook({});
                ASSERT_OK(work.run(*opened->catalog, work.committed + 1, work.committed + 5));
            }
        }
        // What a failed sync did not write is lost with the cache, which no restart may trust.
        check_left(*disk->kill(), random, work,
                   kind == test::DiskCall::kSync ? work.acknowledged : work.committed, "killed");
        auto left = disk->crash(test::Crash::kMixed, random);
        check_left(*left, random, work, work.acknowledged, "power cut");
        if (!met || testing::Test::HasFailure()) return;
    }
}

TEST(Failures, EachFailedWriteMakesItReadOnly) {
    fail_each(test::DiskCall::kWrite, Errc::kIo);
}
TEST(Failures, EachFailedSyncMakesItReadOnly) {
    fail_each(test::DiskCall::kSync, Errc::kIo);
}
TEST(Failures, EachWriteWithoutRoomIsACleanError) {
    fail_each(test::DiskCall::kWrite, Errc::kNoSpace);
}
TEST(Failures, EachAllocationWithoutRoomIsACleanError) {
    fail_each(test::DiskCall::kAllocate, Errc::kNoSpace);
}

TEST(Failures, AFailedReadHurtsOnlyItsOperation) {
    test::SeededRandom random;
    auto disk = new_disk();
    {
        auto opened = open_on(*disk, random);
        Workload work;
        ASSERT_OK(work.run(*opened->catalog, 1, 30));
        ASSERT_OK(opened->catalog->close());
    }
    auto opened = open_on(*disk, random);
    disk->fail_nth(test::DiskCall::kRead, 1);
    EXPECT_FAILS(Errc::kIo,
                 ask<std::optional<std::vector<std::byte>>>(*opened->catalog, [](Reader& reader) {
                     return reader.xattr(NodeId(7), "30");
                 }));
    EXPECT_FALSE(opened->catalog->read_only());
    EXPECT_OK(create(*opened->catalog, 500));
    EXPECT_OK(opened->catalog->sync());
}

}  // namespace
}  // namespace reelfs::catalog
