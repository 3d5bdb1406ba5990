// Damage and tampering: no changed keyring may ever open with other content. Two kinds of change:
// a byte flipped by the disk, and a byte flipped by somebody who also corrects the checksum.
#include <gtest/gtest.h>

#include "crypto/example_keyring.h"
#include "crypto/keyring_format.h"
#include "crypto/seeded_random.h"

namespace reelfs::crypto {
namespace {

struct Sample {
    std::vector<std::byte> file;
    RecoveryKey recovery;
};

/// All kinds of slots: 0 key file, 1 passphrase, 2 recovery key.
Sample make_sample(Random& random) {
    Keyring keyring = example_keyring(random);
    const RecoveryKey recovery = Keyring::make_recovery_key(random);
    static_cast<void>(keyring.add_slot(Passphrase{"pass"}, kCheap).value());
    static_cast<void>(keyring.add_slot(recovery).value());
    return {keyring.encode().value(), recovery};
}

/// The changes tried at each byte: each bit, and all of them.
constexpr std::uint8_t kChanges[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};

TEST(KeyringDamage, AnyByteFlippedAnywhereIsFoundAsDamageWithAnyKeyAndWithNone) {
    SeededRandom random(test_seed());
    const Sample sample = make_sample(random);
    auto file = sample.file;
    for (std::size_t i = 0; i < file.size(); ++i) {
        for (const std::uint8_t change : kChanges) {
            file[i] ^= std::byte{change};
            ASSERT_EQ(open_code(file, example_key_file()), Errc::kCorrupt) << "byte " << i;
            ASSERT_EQ(open_code(file, Passphrase{"pass"}), Errc::kCorrupt) << "byte " << i;
            ASSERT_EQ(open_code(file, sample.recovery), Errc::kCorrupt) << "byte " << i;
            ASSERT_FALSE(Keyring::peek(file).ok());
            file[i] ^= std::byte{change};
        }
    }
}

TEST(KeyringDamage, AnyByteAlteredWithTheChecksumCorrectedIsRefused) {
    SeededRandom random(test_seed());
    const Sample sample = make_sample(random);
    for (std::size_t i = 0; i < sample.file.size() - format::kChecksumBytes; ++i) {
        for (const std::uint8_t change : kChanges) {
            auto file = sample.file;
            file[i] ^= std::byte{change};
            format::write_checksum(file);
            for (const Unlock& unlock : {Unlock(example_key_file()), Unlock(sample.recovery)}) {
                const Errc code = open_code(file, unlock);
                ASSERT_TRUE(code == Errc::kCorrupt || code == Errc::kWrongKey ||
                            code == Errc::kNewerFormat)
                    << "byte " << i << " change " << int{change};
            }
        }
    }
}

TEST(KeyringDamage, AlteringASlotIsAWrongKeyForItsOwnerAndAnAlarmForTheOthers) {
    SeededRandom random(test_seed());
    const Sample sample = make_sample(random);
    for (std::size_t i = 64 + 2 * 112 + 24; i < 64 + 3 * 112; ++i) {  // salt to tag of slot 2
        auto file = sample.file;
        file[i] ^= std::byte{1};
        format::write_checksum(file);
        EXPECT_EQ(open_code(file, sample.recovery), Errc::kWrongKey) << "byte " << i;
        const auto other = Keyring::open(file, example_key_file());
        ASSERT_FALSE(other.ok());
        EXPECT_EQ(other.error().code(), Errc::kCorrupt);
        EXPECT_NE(other.error().message().find("altered"), std::string::npos);
    }
}

TEST(KeyringDamage, ASlotOpensOnlyInItsPlaceAndStore) {
    SeededRandom random(test_seed());
    const Sample sample = make_sample(random);
    auto moved = sample.file;
    std::swap_ranges(moved.begin() + 64, moved.begin() + 64 + 112, moved.begin() + 64 + 112);
    format::write_checksum(moved);
    EXPECT_EQ(open_code(moved, example_key_file()), Errc::kWrongKey);

    auto other_store = sample.file;
    other_store[16] ^= std::byte{1};
    format::write_checksum(other_store);
    EXPECT_EQ(open_code(other_store, example_key_file()), Errc::kWrongKey);
}

TEST(KeyringDamage, AnyTruncationOrAdditionIsDamage) {
    SeededRandom random(test_seed());
    const Sample sample = make_sample(random);
    for (std::size_t size = 0; size < sample.file.size(); ++size)
        ASSERT_EQ(open_code(Bytes(sample.file).first(size), example_key_file()), Errc::kCorrupt);
    auto longer = sample.file;
    longer.push_back(std::byte{});
    EXPECT_EQ(open_code(longer, example_key_file()), Errc::kCorrupt);
    format::write_checksum(longer);
    EXPECT_EQ(open_code(longer, example_key_file()), Errc::kCorrupt);
}

TEST(KeyringDamage, RandomBytesNeverOpen) {
    SeededRandom random(test_seed());
    for (int i = 0; i < 500; ++i) {
        auto file = random.bytes(random.below(3000));
        EXPECT_EQ(open_code(file, example_key_file()), Errc::kCorrupt);
        if (file.size() < 100) continue;
        std::memcpy(file.data(), "reelkeys\x01\x00\x08", 12);
        format::write_checksum(file);
        EXPECT_EQ(open_code(file, example_key_file()), Errc::kCorrupt);
    }
}

TEST(KeyringDamage, ANewerFormatSaysSo) {
    SeededRandom random(test_seed());
    Sample sample = make_sample(random);
    sample.file[8] = std::byte{2};
    format::write_checksum(sample.file);
    EXPECT_EQ(open_code(sample.file, example_key_file()), Errc::kNewerFormat);
    EXPECT_EQ(Keyring::peek_store_id(sample.file).error().code(), Errc::kNewerFormat);
    sample.file[8] = std::byte{0};
    format::write_checksum(sample.file);
    EXPECT_EQ(open_code(sample.file, example_key_file()), Errc::kCorrupt);
}

TEST(KeyringDamage, ASlotThatAsksForAnAbsurdCostIsRefusedBeforeTheCostIsPaid) {
    SeededRandom random(test_seed());
    Sample sample = make_sample(random);
    store_le(sample.file.data() + 64 + 112 + 16, std::uint64_t{1} << 40);
    format::write_checksum(sample.file);
    EXPECT_EQ(open_code(sample.file, Passphrase{"pass"}), Errc::kCorrupt);
}

TEST(KeyringBody, OnlyItsOneFormIsAccepted) {
    SeededRandom random(test_seed());
    format::Body body;
    body.zones = {{ZoneId{0}, ""}, {ZoneId{2}, "/a"}};
    body.keys.emplace(std::pair{ContainerId{5}, KeyId{1}}, SecretKey::random(random));
    body.keys.emplace(std::pair{ContainerId{5}, KeyId{2}}, SecretKey::random(random));
    std::vector<std::byte> plain(format::body_size(body));
    format::write_body(body, plain);
    // Every body that is accepted after a change writes back exactly what was read.
    for (std::size_t i = 0; i < plain.size(); ++i) {
        for (const std::uint8_t change : kChanges) {
            auto changed = plain;
            changed[i] ^= std::byte{change};
            const auto read = format::read_body(changed);
            if (!read.ok()) continue;
            std::vector<std::byte> written(format::body_size(*read));
            format::write_body(*read, written);
            ASSERT_EQ(written, changed) << "byte " << i;
        }
    }
    auto padded = plain;
    padded.resize(padded.size() + 256);
    EXPECT_FALSE(format::read_body(padded).ok());
    EXPECT_FALSE(format::read_body(Bytes(plain).first(255)).ok());
    EXPECT_FALSE(format::read_body({}).ok());
}

}  // namespace
}  // namespace reelfs::crypto
