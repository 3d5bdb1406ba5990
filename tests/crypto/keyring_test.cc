#include "reelfs/crypto/keyring.h"

#include <gtest/gtest.h>

#include "crypto/example_keyring.h"
#include "crypto/seeded_random.h"

namespace reelfs::crypto {
namespace {

constexpr ContainerId kNews{7}, kSport{9};
constexpr StoreId kStore{{std::byte{1}, std::byte{2}}};

KeyFile key_file(char fill) {
    return {std::vector<std::byte>(64, static_cast<std::byte>(fill))};
}

std::string open_message(Bytes file, const Unlock& unlock) {
    const auto opened = Keyring::open(file, unlock);
    return opened.ok() ? "" : opened.error().message();
}
std::string hex_of(const SecretKey* key) {
    return key == nullptr ? "none" : to_hex(key->view());
}

class KeyringTest : public ::testing::Test {
  protected:
    SeededRandom random_{test_seed()};
    Keyring keyring_ = Keyring::create(kStore, random_);
};

TEST_F(KeyringTest, OpensWithEachKindOfKeyAndHoldsWhatWasPutIn) {
    const RecoveryKey recovery = Keyring::make_recovery_key(random_);
    EXPECT_EQ(keyring_.add_slot(Passphrase{"correct horse"}, kCheap).value(), 0u);
    EXPECT_EQ(keyring_.add_slot(key_file('k')).value(), 1u);
    EXPECT_EQ(keyring_.add_slot(recovery).value(), 2u);
    keyring_.set_zones({{ZoneId{3}, "/disk3"}, {ZoneId{0}, ""}, {ZoneId{1}, "/disk 1"}});
    keyring_.add_container_key(kSport);
    keyring_.add_container_key(kNews);
    const auto file = keyring_.encode().value();

    const std::vector<Zone> zones{{ZoneId{0}, ""}, {ZoneId{1}, "/disk 1"}, {ZoneId{3}, "/disk3"}};
    for (const Unlock& unlock :
         {Unlock(Passphrase{"correct horse"}), Unlock(key_file('k')), Unlock(recovery)}) {
        auto opened = Keyring::open(file, unlock);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(opened->store_id(), kStore);
        EXPECT_EQ(opened->generation(), 1u);
        EXPECT_EQ(opened->zones(), zones);
        EXPECT_EQ(opened->containers(), (std::vector<ContainerId>{kNews, kSport}));
        EXPECT_EQ(hex_of(opened->container_key(kNews, KeyId{1})),
                  hex_of(keyring_.container_key(kNews, KeyId{1})));
        EXPECT_EQ(to_hex(opened->page_key().view()), to_hex(keyring_.page_key().view()));
        EXPECT_EQ(opened->slots(), keyring_.slots());
    }
}

TEST_F(KeyringTest, ASlotFilledInOneCopyIsTakenOverByAnother) {
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    EXPECT_EQ(keyring_.opened_slot(), std::nullopt);
    auto copy = Keyring::open(keyring_.encode().value(), key_file('k')).value();
    EXPECT_EQ(copy.opened_slot(), 0u);
    const auto slot = copy.add_slot(Passphrase{"fresh"}, kCheap).value();
    ASSERT_TRUE(keyring_.take_slot(copy, slot).ok());
    const auto opened = Keyring::open(keyring_.encode().value(), Passphrase{"fresh"});
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(opened->opened_slot(), slot);
    EXPECT_EQ(keyring_.take_slot(copy, slot).error().code(), Errc::kBusy);
}

TEST_F(KeyringTest, AKeyThatWasTakenBackLeavesTheOneBefore) {
    const KeyId first = keyring_.add_container_key(kNews);
    const std::string before = hex_of(keyring_.container_key(kNews, first));
    keyring_.take_back_container_key(kNews, keyring_.add_container_key(kNews));
    KeyId newest;
    EXPECT_EQ(hex_of(keyring_.newest_container_key(kNews, &newest)), before);
    EXPECT_EQ(newest, first);
}

TEST_F(KeyringTest, AWrongKeyIsToldApartFromDamage) {
    ASSERT_TRUE(keyring_.add_slot(Passphrase{"right"}, kCheap).ok());
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    auto file = keyring_.encode().value();
    EXPECT_EQ(open_code(file, Passphrase{"wrong"}), Errc::kWrongKey);
    EXPECT_EQ(open_code(file, key_file('w')), Errc::kWrongKey);
    EXPECT_NE(open_message(file, Keyring::make_recovery_key(random_))
                  .find("opens with a passphrase or a key file"),
              std::string::npos);
    file[500] ^= std::byte{1};
    EXPECT_EQ(open_code(file, Passphrase{"wrong"}), Errc::kCorrupt);
    EXPECT_NE(open_message(file, key_file('k')).find("copy from another zone"), std::string::npos);
}

TEST_F(KeyringTest, WhatCannotBeAKeyIsInvalid) {
    ASSERT_TRUE(keyring_.add_slot(Passphrase{"right"}, kCheap).ok());
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    ASSERT_TRUE(keyring_.add_slot(Keyring::make_recovery_key(random_)).ok());
    const auto file = keyring_.encode().value();
    for (const Unlock& unlock :
         {Unlock(Passphrase{""}), Unlock(Passphrase{std::string(1025, 'x')}),
          Unlock(KeyFile{std::vector<std::byte>(31)}),
          Unlock(KeyFile{std::vector<std::byte>(4097)}), Unlock(RecoveryKey{"0000-0000"})}) {
        EXPECT_EQ(open_code(file, unlock), Errc::kInvalid);
        const auto added = keyring_.add_slot(unlock, kCheap);
        ASSERT_FALSE(added.ok());
        EXPECT_EQ(added.error().code(), Errc::kInvalid);
    }
    for (const PassphraseCost cost :
         {PassphraseCost{0, 8u << 10}, PassphraseCost{65, 8u << 10}, PassphraseCost{1, 8191},
          PassphraseCost{1, (std::uint64_t{4} << 30) + 1}})
        EXPECT_FALSE(keyring_.add_slot(Passphrase{"x"}, cost).ok());
    EXPECT_EQ(Keyring::open(keyring_.encode().value(), key_file('k'))->slots(), keyring_.slots());
}

TEST_F(KeyringTest, KeyFilesOfTheSmallestAndLargestSizeOpen) {
    const KeyFile smallest{random_.bytes(32)}, largest{random_.bytes(4096)};
    ASSERT_TRUE(keyring_.add_slot(smallest).ok());
    ASSERT_TRUE(keyring_.add_slot(largest).ok());
    const auto file = keyring_.encode().value();
    EXPECT_TRUE(Keyring::open(file, smallest).ok());
    EXPECT_TRUE(Keyring::open(file, largest).ok());
}

TEST_F(KeyringTest, APassphraseIsChangedByAddingTheNewAndRemovingTheOld) {
    ASSERT_TRUE(keyring_.add_slot(Passphrase{"old"}, kCheap).ok());
    keyring_.add_container_key(kNews);
    const auto before = keyring_.encode().value();
    Keyring opened = Keyring::open(before, Passphrase{"old"}).value();
    EXPECT_EQ(opened.add_slot(Passphrase{"new"}, kCheap).value(), 1u);
    ASSERT_TRUE(opened.remove_slot(0).ok());
    const auto after = opened.encode().value();
    EXPECT_EQ(open_code(after, Passphrase{"old"}), Errc::kWrongKey);
    const auto again = Keyring::open(after, Passphrase{"new"});
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(hex_of(again->container_key(kNews, KeyId{1})),
              hex_of(keyring_.container_key(kNews, KeyId{1})));
}

TEST_F(KeyringTest, TheLastSlotStaysAndANinthFindsNoPlace) {
    EXPECT_EQ(keyring_.encode().error().code(), Errc::kInvalid);
    for (std::size_t i = 0; i < kKeyringSlots; ++i)
        EXPECT_EQ(keyring_.add_slot(key_file(static_cast<char>('a' + i))).value(), i);
    EXPECT_EQ(keyring_.add_slot(key_file('z')).error().code(), Errc::kInvalid);
    for (std::size_t i = 1; i < kKeyringSlots; ++i) EXPECT_TRUE(keyring_.remove_slot(i).ok());
    EXPECT_EQ(keyring_.remove_slot(0).error().code(), Errc::kInvalid);
    EXPECT_EQ(keyring_.remove_slot(1).error().code(), Errc::kNotFound);
    EXPECT_EQ(keyring_.remove_slot(8).error().code(), Errc::kNotFound);
    EXPECT_TRUE(Keyring::open(keyring_.encode().value(), key_file('a')).ok());
}

TEST_F(KeyringTest, EachEncodeRaisesTheGenerationAndDrawsFreshNonces) {
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    EXPECT_EQ(keyring_.generation(), 0u);
    const auto first = keyring_.encode().value();
    const auto second = keyring_.encode().value();
    EXPECT_EQ(Keyring::peek(first)->generation, 1u);
    EXPECT_EQ(Keyring::peek(second)->generation, 2u);
    EXPECT_NE(to_hex(Bytes(first).subspan(40, 24)), to_hex(Bytes(second).subspan(40, 24)));
    Keyring opened = Keyring::open(second, key_file('k')).value();
    EXPECT_EQ(Keyring::peek(opened.encode().value())->generation, 3u);
}

TEST_F(KeyringTest, PeekTellsStoreGenerationAndSlotsWithoutAKey) {
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    ASSERT_TRUE(keyring_.add_slot(Passphrase{"p"}, kCheap).ok());
    const auto file = keyring_.encode().value();
    EXPECT_EQ(Keyring::peek_store_id(file).value(), kStore);
    const KeyringHead head = Keyring::peek(file).value();
    EXPECT_EQ(head.store, kStore);
    EXPECT_EQ(head.slots[0], SlotKind::kKeyFile);
    EXPECT_EQ(head.slots[1], SlotKind::kPassphrase);
    EXPECT_EQ(head.slots[2], SlotKind::kEmpty);
}

TEST_F(KeyringTest, ContainerKeysRotateAndTheOldOneGoesLast) {
    EXPECT_EQ(keyring_.newest_container_key(kNews, nullptr), nullptr);
    EXPECT_EQ(keyring_.add_container_key(kNews), KeyId{1});
    EXPECT_EQ(keyring_.add_container_key(kSport), KeyId{1});
    EXPECT_EQ(keyring_.add_container_key(kNews), KeyId{2});
    EXPECT_NE(hex_of(keyring_.container_key(kNews, KeyId{1})),
              hex_of(keyring_.container_key(kNews, KeyId{2})));
    KeyId newest;
    EXPECT_EQ(keyring_.newest_container_key(kNews, &newest),
              keyring_.container_key(kNews, KeyId{2}));
    EXPECT_EQ(newest, KeyId{2});

    EXPECT_EQ(keyring_.remove_container_key(kNews, KeyId{2}).error().code(), Errc::kInvalid);
    EXPECT_EQ(keyring_.remove_container_key(kNews, KeyId{3}).error().code(), Errc::kNotFound);
    EXPECT_TRUE(keyring_.remove_container_key(kNews, KeyId{1}).ok());
    EXPECT_EQ(keyring_.container_key(kNews, KeyId{1}), nullptr);
    EXPECT_EQ(keyring_.add_container_key(kNews), KeyId{3});
}

TEST_F(KeyringTest, ARemovedContainerIsForgottenAndItsNeighboursStay) {
    for (const std::uint64_t id : {6, 7, 7, 8}) keyring_.add_container_key(ContainerId{id});
    keyring_.remove_container(kNews);
    keyring_.remove_container(ContainerId{100});
    EXPECT_EQ(keyring_.containers(), (std::vector<ContainerId>{ContainerId{6}, ContainerId{8}}));
    EXPECT_EQ(keyring_.newest_container_key(kNews, nullptr), nullptr);
}

TEST_F(KeyringTest, BadZonesAreRefusedWhenEncoded) {
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    const Zone self{ZoneId{0}, ""};
    for (const std::vector<Zone>& zones : {std::vector<Zone>{},
                                           {{ZoneId{1}, "/a"}},
                                           {self, {ZoneId{1}, "relative"}},
                                           {self, {ZoneId{1}, ""}},
                                           {self, {ZoneId{1}, "/a"}, {ZoneId{1}, "/b"}},
                                           {self, {ZoneId{1}, "/" + std::string(4095, 'x')}}}) {
        keyring_.set_zones(zones);
        const auto file = keyring_.encode();
        ASSERT_FALSE(file.ok());
        EXPECT_EQ(file.error().code(), Errc::kInvalid);
    }
    EXPECT_EQ(keyring_.generation(), 0u);
}

TEST_F(KeyringTest, ManyContainersFit) {
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    for (std::uint64_t id = 1; id <= 20'000; ++id) keyring_.add_container_key(ContainerId{id});
    const auto opened = Keyring::open(keyring_.encode().value(), key_file('k'));
    ASSERT_TRUE(opened.ok());
    for (std::uint64_t id = 1; id <= 20'000; ++id)
        ASSERT_EQ(hex_of(opened->container_key(ContainerId{id}, KeyId{1})),
                  hex_of(keyring_.container_key(ContainerId{id}, KeyId{1})));
}

TEST_F(KeyringTest, AKeyringBeyondItsLimitIsRefusedAndTheOldGenerationStays) {
    ASSERT_TRUE(keyring_.add_slot(key_file('k')).ok());
    ASSERT_TRUE(keyring_.encode().ok());
    std::vector<Zone> zones{{ZoneId{0}, ""}};
    for (std::uint16_t id = 1; id <= 5000; ++id)
        zones.push_back({ZoneId{id}, "/" + std::string(4000, 'x')});
    keyring_.set_zones(zones);
    EXPECT_EQ(keyring_.encode().error().code(), Errc::kTooBig);
    EXPECT_EQ(keyring_.generation(), 1u);
}

}  // namespace
}  // namespace reelfs::crypto
