// Backups of a store in use become stores again: whole, as of one moment, with nothing that could
// ever be sealed twice under one nonce.
#include "reelfs/core/backup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "core/backup_manifest.h"
#include "core/keys.h"
#include "core/test_store.h"
#include "reelfs/catalog/catalog.h"
#include "reelfs/core/check.h"
#include "reelfs/model/limits.h"
#include "support/scale.h"

namespace reelfs::core {
namespace {

using test::DiskCall;
using test::kBackup;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class BackupTest : public ::testing::Test {
  protected:
    BackupReport back_up(StoreRig& rig) {
        Job job;
        return must(rig.volume().back_up(kBackup, job));
    }
    Result<RestoreReport> try_restore(StoreRig& rig, const std::string& directory) {
        Job job;
        return restore_store(
            rig.environment(),
            {.backup = kBackup, .directory = directory, .unlock = test::test_key()}, job);
    }
    std::unique_ptr<Volume> open(StoreRig& rig, const std::string& directory) {
        return must(open_store(rig.environment(), {.directory = directory,
                                                   .unlock = test::test_key(),
                                                   .memory_bytes = 64 << 20,
                                                   .background_barrier_ms = 0}));
    }
    void expect_clean(StoreRig& rig, const std::string& directory) {
        Job job;
        const CheckReport report = must(check_store(
            rig.environment(),
            {.directory = directory, .unlock = test::test_key(), .memory_bytes = 64 << 20}, job));
        for (const Finding& finding : report.findings)
            EXPECT_EQ(finding.level, Finding::Level::kNote) << finding.text;
    }
    static std::vector<std::byte> content(Volume& volume, NodeId node) {
        auto file = must(volume.tree().open(node, {.read = true}));
        std::vector<std::byte> bytes(must(volume.tree().attributes(node)).size);
        EXPECT_EQ(must(volume.tree().read(*file, 0, bytes)), bytes.size());
        volume.tree().release(file);
        return bytes;
    }
    static std::vector<std::byte> content(Volume& volume, std::string_view name) {
        const NodeId c = must(volume.tree().lookup(kRootNode, "c")).node;
        return content(volume, must(volume.tree().lookup(c, name)).node);
    }
    /// Of every extent of a closed store: id and salt.
    std::map<ExtentId, Salt> extents_of(StoreRig& rig, const std::string& directory) {
        auto keyring = must(load_keyring(rig.disk(), directory + "/keyring", test::test_key()));
        auto opened = must(catalog::open_catalog(rig.disk(), random_, keyring.page_key(),
                                                 {directory + "/catalog", 4 << 20}));
        std::map<ExtentId, Salt> extents;
        std::size_t step = 1;
        for (ExtentId last; step > 0;)
            must(opened.catalog->read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(const auto rows, r.extents_after(last, limits::catalog_step_rows_max));
                for (const auto& row : rows) {
                    last = row.extent.shape.extent;
                    extents[last] = row.extent.shape.salt;
                }
                step = rows.size();
                return done();
            }));
        must(opened.catalog->close());
        return extents;
    }
    SeededRandom random_;
};

TEST_F(BackupTest, ABackupOfAStoreInUseBecomesThatStore) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto small = rig.noise(100), large = rig.noise(700'000);
    rig.put(c, "small", small);
    rig.put(c, "large", large);
    must(rig.tree().set_xattr(c, "user.note", bytes_of("kept"), XattrMode::kSet));
    const BackupReport report = back_up(rig);
    EXPECT_EQ(report.generation, 1u);
    EXPECT_EQ(report.packs, 1u);
    EXPECT_EQ(report.packs_copied, 1u);
    EXPECT_TRUE(report.problems.empty());
    rig.put(c, "later", small);
    must(try_restore(rig, "/data/restored"));
    expect_clean(rig, "/data/restored");
    auto volume = open(rig, "/data/restored");
    EXPECT_EQ(content(*volume, "small"), small);
    EXPECT_EQ(content(*volume, "large"), large);
    const NodeId root = must(volume->tree().lookup(kRootNode, "c")).node;
    EXPECT_EQ(volume->tree().lookup(root, "later").error().code(), Errc::kNotFound);
    EXPECT_EQ(must(volume->tree().get_xattr(root, "user.note")), copy_of(bytes_of("kept")));
    must(volume->close());
    EXPECT_EQ(rig.content(c, "later"), small);
}

TEST_F(BackupTest, TheNextBackupCopiesOnlyWhatIsNew) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    rig.put(c, "first", rig.noise(2'000'000));
    back_up(rig);
    const BackupReport nothing = back_up(rig);
    EXPECT_EQ(nothing.generation, 2u);
    EXPECT_EQ(nothing.packs_copied, 0u);
    EXPECT_EQ(nothing.bytes_copied, 0u);
    const auto second = rig.noise(300'000);
    rig.put(c, "second", second);
    const BackupReport some = back_up(rig);
    EXPECT_GT(some.bytes_copied, 300'000u);
    EXPECT_LT(some.bytes_copied, 400'000u);
    rig.reopen();  // packs of an earlier run are not written again: a new one
    rig.put(c, "third", second);
    const BackupReport fresh = back_up(rig);
    EXPECT_EQ(fresh.packs_copied, 1u);
    EXPECT_LT(fresh.bytes_copied, 400'000u);
    must(try_restore(rig, "/data/restored"));
    expect_clean(rig, "/data/restored");
    auto volume = open(rig, "/data/restored");
    EXPECT_EQ(content(*volume, "second"), second);
    EXPECT_EQ(content(*volume, "third"), second);
    must(volume->close());
}

TEST_F(BackupTest, WhatIsDeletedLeavesTheBackupToo) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    rig.put(c, "large", rig.noise(3'000'000));
    back_up(rig);
    must(rig.tree().unlink(c, "large"));
    rig.reopen();  // gives the room back
    rig.reopen();
    const BackupReport after = back_up(rig);
    EXPECT_EQ(after.packs, 0u);
    EXPECT_LT(after.bytes, 1'000'000u);
    must(try_restore(rig, "/data/restored"));
    expect_clean(rig, "/data/restored");
}

/// Writers, deletions and the background go on; each backup is of one moment.
TEST_F(BackupTest, BackupsWhileOthersWriteAreWhole) {
    SystemClock clock;  // the background goes by it
    StoreRig rig(random_, std::uint64_t{1} << 40, &clock);
    rig.close();
    rig.background_ms = 1;
    rig.open();
    const NodeId c = rig.container();
    std::atomic<bool> over{false};
    std::atomic<int> turns{0};
    std::vector<std::thread> writers;
    for (int w = 0; w < 2; ++w)
        writers.emplace_back([&, w] {
            SeededRandom mine(random_.seed() + static_cast<std::uint64_t>(w));
            for (int i = 0; !over; ++i, ++turns) {
                // A pair is renamed into place one after the other: the second is never without
                // the first.
                const std::string name = "w" + std::to_string(w);
                std::vector<std::byte> bytes(1 + mine.below(40'000), std::byte(i & 0xff));
                for (const char* part : {"a", "b"}) {
                    rig.put(c, name + part + ".new", bytes);
                    must(rig.tree().rename(c, name + part + ".new", c, name + part,
                                           RenameMode::kReplace));
                }
            }
        });
    const std::uint64_t rounds = test::scaled("backups while others write", 2, 20);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (const int before = turns; turns < before + 4;) std::this_thread::yield();
        back_up(rig);
        const std::string directory = "/data/restored" + std::to_string(round);
        must(try_restore(rig, directory));
        expect_clean(rig, directory);
        auto volume = open(rig, directory);
        const NodeId root = must(volume->tree().lookup(kRootNode, "c")).node;
        for (int w = 0; w < 2; ++w) {
            const auto first = volume->tree().lookup(root, "w" + std::to_string(w) + "a");
            const auto second = volume->tree().lookup(root, "w" + std::to_string(w) + "b");
            if (!second) continue;
            EXPECT_TRUE(first.ok());
            if (!first) continue;
            const auto a = content(*volume, first->node), b = content(*volume, second->node);
            // b is of this turn or the one before.
            const int behind = (std::to_integer<int>(a[0]) - std::to_integer<int>(b[0])) & 0xff;
            EXPECT_LE(behind, 1);
            EXPECT_EQ(std::set<std::byte>(a.begin(), a.end()).size(), 1u);
            EXPECT_EQ(std::set<std::byte>(b.begin(), b.end()).size(), 1u);
        }
        must(volume->close());
    }
    over = true;
    for (auto& writer : writers) writer.join();
}

/// A put that is overtaken by a later one leaves a hole in the pack for as long as it takes.
TEST_F(BackupTest, WhatIsBeingWrittenWhenPacksAreListedIsInTheNextBackup) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto slow = rig.noise(100'000), fast = rig.noise(100'000);
    rig.put(c, "first", rig.noise(100'000));
    std::atomic<bool> begun{false}, held{false}, let_go{false};
    std::thread writer;
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == DiskCall::kOpen && call.path == kBackup + "/catalog.1/catalog.db" &&
            !begun.exchange(true)) {
            writer = std::thread([&] { rig.put(c, "slow", slow); });
            while (!held) std::this_thread::yield();
            rig.put(c, "fast", fast);
        }
        if (call.kind == DiskCall::kWrite && call.path.starts_with("/data/store/packs/") && begun &&
            !held.exchange(true))
            while (!let_go) std::this_thread::yield();
        return std::nullopt;
    });
    Job job;
    std::atomic<bool> over{false};
    std::thread backup([&] {
        must(rig.volume().back_up(kBackup, job));
        over = true;
    });
    while (!over && job.state().stage != "waiting for writes under way") std::this_thread::yield();
    let_go = true;
    backup.join();
    writer.join();
    rig.disk().set_hook({});
    back_up(rig);
    must(try_restore(rig, "/data/restored"));
    expect_clean(rig, "/data/restored");
    auto volume = open(rig, "/data/restored");
    EXPECT_EQ(content(*volume, "slow"), slow);
    EXPECT_EQ(content(*volume, "fast"), fast);
    must(volume->close());
}

TEST_F(BackupTest, ABackupThatFailsAnywhereLeavesTheOneBefore) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto first = rig.noise(200'000);
    rig.put(c, "first", first);
    back_up(rig);
    rig.put(c, "second", rig.noise(200'000));
    std::uint64_t failed = 0;
    // Every call that changes something at full scale, else one in so many.
    const std::uint64_t apart = test::full_scale() ? 1 : 6;
    std::uint64_t n = 1 + random_.below(apart);
    for (;; n += 1 + random_.below(2 * apart - 1)) {
        std::atomic<std::uint64_t> seen{0};
        rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            const bool changes = call.kind == DiskCall::kWrite || call.kind == DiskCall::kSync ||
                                 call.kind == DiskCall::kTruncate ||
                                 call.kind == DiskCall::kRename ||
                                 call.kind == DiskCall::kSyncDirectory;
            if (!changes || !call.path.starts_with(kBackup) || ++seen != n) return std::nullopt;
            return test::DiskFault{.code = Errc::kIo, .written_bytes = 100};
        });
        Job job;
        auto backed_up = rig.volume().back_up(kBackup, job);
        rig.disk().set_hook({});
        if (backed_up && seen < n) break;
        ++failed;
        // Complete or not, what the list says is there.
        const std::string directory = "/data/restored" + std::to_string(n);
        must(try_restore(rig, directory));
        auto volume = open(rig, directory);
        EXPECT_EQ(content(*volume, "first"), first) << n;
        must(volume->close());
        if (backed_up) break;  // the failure came after it was complete
    }
    test::print_scale("failing points of a backup", failed, n - 1);
    EXPECT_GT(failed, 0u);
}

TEST_F(BackupTest, ABackupIsCancelledWhileItIsReadBack) {
    StoreRig rig(random_);
    rig.put(rig.container(), "large", rig.noise(4'000'000));
    Job job;
    std::atomic<int> read_back{0};
    rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
        if (call.kind == DiskCall::kRead && call.path.starts_with(kBackup + "/packs")) {
            ++read_back;
            job.cancel();
        }
        return std::nullopt;
    });
    const auto cancelled = rig.volume().back_up(kBackup, job);
    rig.disk().set_hook({});
    ASSERT_FALSE(cancelled.ok());
    EXPECT_EQ(cancelled.error().code(), Errc::kCancelled);
    EXPECT_EQ(read_back, 1) << "of a part that is many pieces long";
}

TEST_F(BackupTest, ADamagedBackupIsRefused) {
    StoreRig rig(random_);
    rig.put(rig.container(), "f", rig.noise(200'000));
    back_up(rig);
    const auto pack = [&] {
        const std::string top = kBackup + "/packs";
        const std::string bucket = top + "/" + must(rig.disk().list(top)).at(0);
        return bucket + "/" + must(rig.disk().list(bucket)).at(0);
    }();
    for (const std::string& path : {pack, kBackup + "/catalog.1/catalog.db",
                                    kBackup + "/reelfs-backup", kBackup + "/keyring.1"}) {
        rig.disk().flip(path, 70);
        const auto restored = try_restore(rig, "/data/r" + std::to_string(random_.below(1u << 30)));
        ASSERT_FALSE(restored.ok()) << path;
        EXPECT_EQ(restored.error().code(), Errc::kCorrupt) << restored.error().message();
        rig.disk().flip(path, 70);
    }
    must(try_restore(rig, "/data/good"));
}

TEST_F(BackupTest, OnlyAnEmptyPlaceAndOnlyTheSameStore) {
    StoreRig rig(random_);
    rig.container();
    back_up(rig);
    EXPECT_EQ(try_restore(rig, "/data/store").error().code(), Errc::kExists);
    must(rig.disk().make_directory("/data/other"));
    must(replace_file(rig.disk(), "/data/other/precious", bytes_of("x")));
    Job job;
    EXPECT_EQ(rig.volume().back_up("/data/other", job).error().code(), Errc::kExists);
    EXPECT_EQ(restore_store(rig.environment(),
                            {.backup = kBackup,
                             .directory = "/data/wrong",
                             .unlock = crypto::KeyFile{std::vector<std::byte>(32, std::byte{9})}},
                            job)
                  .error()
                  .code(),
              Errc::kWrongKey);
    EXPECT_FALSE(must(rig.disk().exists("/data/wrong")));
}

TEST_F(BackupTest, OriginalAndCopiesNeverUseANonceOrAnIdTwice) {
    StoreRig rig(random_);
    const NodeId c = rig.container();
    const auto bytes = rig.noise(50'000);
    rig.put(c, "before", bytes);
    back_up(rig);
    rig.reopen();
    std::set<Salt> before;
    rig.close();
    for (const auto& [id, salt] : extents_of(rig, "/data/store")) before.insert(salt);
    rig.open();
    must(try_restore(rig, "/data/one"));
    must(try_restore(rig, "/data/two"));
    // All three go on from the same moment and do the same.
    std::set<NodeId> nodes;
    for (int i = 0; i < 40; ++i) {
        rig.put(c, "same" + std::to_string(i), bytes);
        nodes.insert(must(rig.tree().lookup(c, "same" + std::to_string(i))).node);
    }
    rig.close();
    std::set<ExtentId> ids;
    std::set<Salt> salts;
    for (const auto& [id, salt] : extents_of(rig, "/data/store")) {
        ids.insert(id);
        if (!before.contains(salt)) salts.insert(salt);
    }
    const std::size_t mine = salts.size();
    for (const char* directory : {"/data/one", "/data/two"}) {
        auto volume = open(rig, directory);
        const NodeId root = must(volume->tree().lookup(kRootNode, "c")).node;
        for (int i = 0; i < 40; ++i) {
            auto made = must(volume->tree().create({}, root, "same" + std::to_string(i), 0644,
                                                   {.read = true, .write = true}));
            must(volume->tree().write({}, *made.file, 0, bytes));
            must(volume->tree().flush(*made.file));
            EXPECT_FALSE(nodes.contains(made.attributes.node));
            volume->tree().release(made.file);
        }
        must(volume->close());
        std::size_t new_ones = 0;
        for (const auto& [id, salt] : extents_of(rig, directory)) {
            if (before.contains(salt)) continue;
            ++new_ones;
            EXPECT_FALSE(ids.contains(id)) << id.value();
            EXPECT_TRUE(salts.insert(salt).second) << "a salt was used twice";
        }
        EXPECT_EQ(new_ones, mine);
    }
    rig.open();
}

TEST_F(BackupTest, ZonesBecomeOneDirectory) {
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
    Job job;
    auto volume = must(open_store(
        environment,
        {.directory = "/data/store", .unlock = test::test_key(), .background_barrier_ms = 0}));
    must(volume->back_up(kBackup, job));
    must(volume->close());
    must(restore_store(
        environment, {.backup = kBackup, .directory = "/data/restored", .unlock = test::test_key()},
        job));
    auto restored = must(open_store(
        environment,
        {.directory = "/data/restored", .unlock = test::test_key(), .background_barrier_ms = 0}));
    ASSERT_EQ(restored->zones().size(), 1u);
    EXPECT_EQ(restored->zones()[0].path, "");
    must(restored->close());
}

TEST(BackupManifest, SurvivesTheRoundTripAndNoChange) {
    SeededRandom random;
    BackupManifest manifest;
    random.fill(manifest.store.bytes);
    manifest.generation = 7;
    manifest.taken.ns = 1'700'000'000'000'000'000;
    manifest.database = {4096, 5};
    manifest.log = {8216, 6};
    manifest.keyring = {1008, 7};
    for (int i = 0; i < 5; ++i) {
        PackId pack;
        random.fill(pack.bytes);
        std::uint64_t at = 0;
        for (int p = 0; p < i; ++p) {
            const std::uint64_t bytes = 1 + random.below(1u << 30);
            manifest.packs[pack].push_back({at, bytes, random.integer<std::uint64_t>()});
            at += bytes;
        }
        manifest.packs[pack];
    }
    const std::string text = encode(manifest);
    EXPECT_EQ(must(decode_manifest(text)), manifest);
    for (int i = 0; i < 2'000; ++i) {
        std::string other = text;
        if (random.one_in(2))
            other[random.below(other.size())] ^= static_cast<char>(1 << random.below(8));
        else
            other.resize(random.below(other.size()));
        auto decoded = decode_manifest(other);
        EXPECT_FALSE(decoded.ok() && !(*decoded == manifest)) << other;
    }
}

}  // namespace
}  // namespace reelfs::core
