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
    const crypto::Unlock phrase_ = crypto::Passphrase{"correct horse"};
    SeededRandom random_;
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

}  // namespace
}  // namespace reelfs::core
