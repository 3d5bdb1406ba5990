// Key slots: what opens a store, changed while it is in use or not.
#include "core/keys.h"

#include <gtest/gtest.h>

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::DiskCall;
using test::must;
using test::SeededRandom;
using test::StoreRig;

const crypto::PassphraseCost kCheap{.operations = 1, .memory_bytes = 8 << 10};

class KeysTest : public ::testing::Test {
  protected:
    bool opens(StoreRig& rig, const crypto::Unlock& unlock) {
        return load_keyring(rig.disk(), "/data/store/keyring", unlock).ok();
    }
    KeySlotChange change() {
        return {.proof = test::test_key(),
                .add = {},
                .cost = kCheap,
                .remove = {},
                .remove_own = false};
    }
    SeededRandom random_;
    const crypto::Unlock phrase_ = crypto::Passphrase{"correct horse"};
};

TEST_F(KeysTest, AnAddedKeyOpensAndARemovedOneDoesNot) {
    StoreRig rig(random_);
    auto add = change();
    add.add = phrase_;
    const auto slot = must(rig.volume().change_key_slots(add));
    ASSERT_EQ(slot, 2u);
    EXPECT_EQ(rig.volume().key_slots()[2], crypto::SlotKind::kPassphrase);
    EXPECT_TRUE(opens(rig, phrase_));
    EXPECT_TRUE(opens(rig, test::test_key()));
    auto remove = change();
    remove.proof = phrase_;
    remove.remove = 0;
    must(rig.volume().change_key_slots(remove));
    EXPECT_FALSE(opens(rig, test::test_key()));
    EXPECT_TRUE(opens(rig, phrase_));
}

TEST_F(KeysTest, AChangePutsTheNewInThePlaceOfTheOneGiven) {
    StoreRig rig(random_);
    auto swap = change();
    swap.add = phrase_;
    swap.remove_own = true;
    must(rig.volume().change_key_slots(swap));
    EXPECT_FALSE(opens(rig, test::test_key()));
    EXPECT_TRUE(opens(rig, phrase_));
    // What is made afterwards goes into the same keyring.
    rig.container("later");
    EXPECT_TRUE(opens(rig, phrase_));
    EXPECT_FALSE(opens(rig, test::test_key()));
}

TEST_F(KeysTest, WithoutProofNothingIsChanged) {
    StoreRig rig(random_);
    auto add = change();
    add.proof = crypto::KeyFile{std::vector<std::byte>(32, std::byte{9})};
    add.add = phrase_;
    EXPECT_EQ(rig.volume().change_key_slots(add).error().code(), Errc::kWrongKey);
    EXPECT_FALSE(opens(rig, phrase_));
}

TEST_F(KeysTest, TheLastOneStaysAndWhatIsNotThereIsNotRemoved) {
    StoreRig rig(random_);
    auto remove = change();
    remove.remove = 5;
    EXPECT_EQ(rig.volume().change_key_slots(remove).error().code(), Errc::kNotFound);
    remove.remove = 1;
    must(rig.volume().change_key_slots(remove));
    remove.remove = 0;
    EXPECT_EQ(rig.volume().change_key_slots(remove).error().code(), Errc::kInvalid);
    EXPECT_TRUE(opens(rig, test::test_key()));
}

TEST_F(KeysTest, ASaveThatFailsAnywhereLeavesAKeyringThatOpens) {
    for (std::uint64_t n = 1; n < 12; ++n) {
        StoreRig rig(random_);
        std::atomic<std::uint64_t> seen{0};
        rig.disk().set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            const bool changes = call.kind == DiskCall::kWrite || call.kind == DiskCall::kSync ||
                                 call.kind == DiskCall::kRename ||
                                 call.kind == DiskCall::kSyncDirectory;
            if (!changes || ++seen != n) return std::nullopt;
            return test::DiskFault{.code = Errc::kIo, .written_bytes = 10};
        });
        auto add = change();
        add.add = phrase_;
        const auto added = rig.volume().change_key_slots(add);
        rig.disk().set_hook({});
        if (added) {
            EXPECT_LT(seen, n);
            break;
        }
        EXPECT_TRUE(opens(rig, test::test_key())) << n;
        EXPECT_EQ(rig.volume().key_slots()[2], crypto::SlotKind::kEmpty);
        must(rig.volume().change_key_slots(add));
        EXPECT_TRUE(opens(rig, phrase_)) << n;
    }
}

/// A store in two zones, and its keyring in each.
class TwoZonesTest : public KeysTest {
  protected:
    TwoZonesTest() {
        disk_.prepare("/data");
        disk_.prepare("/zone");
        CreateOptions create;
        create.directory = "/data/store";
        create.zones = {"/zone"};
        create.unlock = test::test_key();
        must(create_store(environment(), create));
        open();
    }
    Environment environment() { return {disk_, random_, clock_}; }
    void open() {
        volume_ = must(open_store(
            environment(),
            {.directory = "/data/store", .unlock = test::test_key(), .background_barrier_ms = 0}));
    }
    bool opens_in(const std::string& zone, const crypto::Unlock& unlock) {
        const auto bytes = must(read_file(disk_, zone + "/keyring", crypto::kKeyringBytesMax));
        return crypto::Keyring::open(bytes, unlock).ok();
    }
    bool opens_everywhere(const crypto::Unlock& unlock) {
        return opens_in("/data/store", unlock) && opens_in("/zone", unlock);
    }
    bool opens_nowhere(const crypto::Unlock& unlock) {
        return !opens_in("/data/store", unlock) && !opens_in("/zone", unlock);
    }
    /// The n-th call that changes something fails, or all from there on; true when there were so
    /// many.
    bool fails_at(std::uint64_t n, bool all, const KeySlotChange& change) {
        std::atomic<std::uint64_t> seen{0};
        disk_.set_hook([&](const test::CallInfo& call) -> std::optional<test::DiskFault> {
            const bool changes = call.kind == DiskCall::kWrite || call.kind == DiskCall::kSync ||
                                 call.kind == DiskCall::kRename ||
                                 call.kind == DiskCall::kSyncDirectory;
            if (!changes || ++seen < n || (seen > n && !all)) return std::nullopt;
            return test::DiskFault{.code = Errc::kNotFound, .written_bytes = 10};
        });
        const auto changed = volume_->change_key_slots(change);
        disk_.set_hook({});
        EXPECT_EQ(changed.ok(), seen < n) << n;
        // None of those that tell that nothing was changed.
        if (!changed) {
            EXPECT_EQ(changed.error().code(), Errc::kIo) << n;
        }
        return !changed.ok();
    }
    test::SimDisk disk_;
    test::ManualClock clock_;
    std::unique_ptr<Volume> volume_;
};

TEST_F(TwoZonesTest, AChangeThatFailsAnywhereLeavesOneKeyThatOpensEveryCopy) {
    crypto::Unlock before = test::test_key();
    int number = 100;
    for (const bool all : {false, true}) {
        std::uint64_t n = 1;
        for (bool failed = true; failed; ++n) {
            auto swap = change();
            swap.proof = before;
            swap.add = crypto::KeyFile{std::vector<std::byte>(32, std::byte(number++))};
            swap.remove_own = true;
            failed = fails_at(n, all, swap);
            EXPECT_TRUE(opens_everywhere(before) || opens_everywhere(*swap.add)) << n;
            if (failed && !all) {
                EXPECT_TRUE(opens_everywhere(before)) << n;
                EXPECT_TRUE(opens_nowhere(*swap.add)) << n;
            }
            if (failed) must(volume_->change_key_slots(swap));
            EXPECT_TRUE(opens_everywhere(*swap.add)) << n;
            EXPECT_TRUE(opens_nowhere(before)) << n;
            before = *swap.add;
        }
        EXPECT_GT(n, 16u) << "four calls for each copy, twice";
    }
}

TEST_F(TwoZonesTest, ARemovalThatFailsAnywhereIsDoneByTheNext) {
    for (const bool all : {false, true}) {
        std::uint64_t n = 1;
        for (bool failed = true; failed; ++n) {
            auto add = change();
            add.add = crypto::KeyFile{std::vector<std::byte>(32, std::byte{9})};
            auto remove = change();
            remove.remove = *must(volume_->change_key_slots(add));
            failed = fails_at(n, all, remove);
            if (failed) must(volume_->change_key_slots(remove));
            EXPECT_TRUE(opens_nowhere(*add.add)) << n;
            EXPECT_TRUE(opens_everywhere(test::test_key())) << n;
        }
        EXPECT_GT(n, 8u);
    }
}

TEST_F(TwoZonesTest, ADiskPutBackFromABackupDoesNotSayWhatOpensTheStore) {
    const auto old = must(read_file(disk_, "/data/store/keyring", crypto::kKeyringBytesMax));
    auto add = change();
    add.add = phrase_;
    must(volume_->change_key_slots(add));
    must(volume_->close());
    volume_.reset();
    must(replace_file(disk_, "/data/store/keyring", old));
    open();
    auto remove = change();
    remove.proof = phrase_;
    remove.remove = 1;
    must(volume_->change_key_slots(remove));
    EXPECT_TRUE(opens_everywhere(phrase_));
}

}  // namespace
}  // namespace reelfs::core
