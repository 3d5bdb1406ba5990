#include "reelfs/model/posix_acl.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/seeded_random.h"

namespace reelfs {
namespace {

struct Wire {
    std::uint16_t tag;
    std::uint16_t permissions;
    std::uint32_t id = AclEntry::kNobody;
};

constexpr std::uint16_t kOwner = 1, kUser = 2, kGroup = 4, kNamedGroup = 8, kMask = 16, kOther = 32;

std::vector<std::byte> value_of(const std::vector<Wire>& entries, std::uint32_t version = 2) {
    std::vector<std::byte> value(4 + 8 * entries.size());
    store_le(value.data(), version);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        store_le(value.data() + 4 + 8 * i, entries[i].tag);
        store_le(value.data() + 6 + 8 * i, entries[i].permissions);
        store_le(value.data() + 8 + 8 * i, entries[i].id);
    }
    return value;
}

PosixAcl acl(const std::vector<Wire>& entries) {
    auto parsed = PosixAcl::parse(value_of(entries));
    EXPECT_TRUE(parsed.ok()) << parsed.error().message();
    return *std::move(parsed);
}

const std::vector<Wire> kMinimal{{kOwner, 6}, {kGroup, 4}, {kOther, 0}};
const std::vector<Wire> kNamed{{kOwner, 6}, {kUser, 5, 1234}, {kGroup, 4}, {kMask, 5}, {kOther, 0}};

TEST(PosixAcl, TheExampleOfTheHeaderIsReadAndWritten) {
    auto value = from_hex(
        "02000000"
        "01000600ffffffff"
        "02000500d2040000"
        "04000400ffffffff"
        "10000500ffffffff"
        "20000000ffffffff");
    ASSERT_TRUE(value);
    auto parsed = PosixAcl::parse(*value);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->entries().size(), 5u);
    EXPECT_EQ(parsed->entries()[1], (AclEntry{AclTag::kUser, 5, 1234}));
    EXPECT_EQ(parsed->mode(), 0650u);
    EXPECT_FALSE(parsed->says_no_more_than_a_mode());
    EXPECT_EQ(parsed->serialize(), *value);
    EXPECT_EQ(*parsed, acl(kNamed));
}

TEST(PosixAcl, IdsOfEntriesThatNameNobodyAreNotKept) {
    auto entries = kMinimal;
    entries[0].id = 7;
    EXPECT_EQ(acl(entries).serialize(), value_of(kMinimal));
}

TEST(PosixAcl, WhatLinuxRefusesIsRefused) {
    const auto refused = [](const std::vector<Wire>& entries) {
        auto parsed = PosixAcl::parse(value_of(entries));
        return !parsed.ok() && parsed.error().code() == Errc::kInvalid;
    };
    EXPECT_TRUE(refused({}));
    EXPECT_TRUE(refused({{kOwner, 6}, {kGroup, 4}}));
    EXPECT_TRUE(refused({{kOwner, 6}, {kOther, 4}}));
    EXPECT_TRUE(refused({{kGroup, 6}, {kOther, 4}}));
    EXPECT_TRUE(refused({{kOwner, 6}, {kOwner, 6}, {kGroup, 4}, {kOther, 0}})) << "two owners";
    EXPECT_TRUE(refused({{kOwner, 6}, {kGroup, 4}, {kGroup, 4}, {kOther, 0}})) << "two groups";
    EXPECT_TRUE(refused({{kOwner, 6}, {kGroup, 4}, {kOther, 0}, {kOther, 0}})) << "two others";
    EXPECT_TRUE(refused({{kOwner, 6}, {kGroup, 4}, {kMask, 7}, {kMask, 7}, {kOther, 0}}));
    EXPECT_TRUE(refused({{kGroup, 4}, {kOwner, 6}, {kOther, 0}})) << "out of order";
    EXPECT_TRUE(refused({{kOwner, 6}, {kGroup, 4}, {kOther, 0}, {kMask, 7}})) << "out of order";
    EXPECT_TRUE(refused({{kOwner, 6}, {kUser, 6, 1}, {kGroup, 4}, {kOther, 0}})) << "no mask";
    EXPECT_TRUE(refused({{kOwner, 6}, {kGroup, 4}, {kNamedGroup, 6, 1}, {kOther, 0}})) << "no mask";
    EXPECT_TRUE(refused({{kOwner, 6}, {kUser, 6}, {kGroup, 4}, {kMask, 7}, {kOther, 0}}))
        << "a user without an id";
    EXPECT_TRUE(refused({{kOwner, 8}, {kGroup, 4}, {kOther, 0}})) << "an unknown permission";
    EXPECT_TRUE(refused({{kOwner, 6}, {3, 4}, {kOther, 0}})) << "an unknown tag";
    EXPECT_TRUE(refused({{0, 6}, {kGroup, 4}, {kOther, 0}})) << "an unknown tag";
    EXPECT_FALSE(refused({{kOwner, 6}, {kGroup, 4}, {kMask, 7}, {kOther, 0}}));
    EXPECT_FALSE(
        refused({{kOwner, 6}, {kUser, 6, 9}, {kUser, 6, 9}, {kGroup, 4}, {kMask, 7}, {kOther, 0}}))
        << "a user named twice is left to the first entry";
}

TEST(PosixAcl, LengthsAndVersionsAreChecked) {
    const auto whole = value_of(kMinimal);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto parsed = PosixAcl::parse(Bytes(whole).first(size));
        ASSERT_FALSE(parsed.ok()) << size;
        EXPECT_EQ(parsed.error().code(), Errc::kInvalid) << size;
    }
    for (std::uint32_t version : {0u, 1u, 3u, 0x0200'0000u}) {
        auto parsed = PosixAcl::parse(value_of(kMinimal, version));
        ASSERT_FALSE(parsed.ok()) << version;
        EXPECT_EQ(parsed.error().code(), Errc::kUnsupported) << version;
    }
}

TEST(PosixAcl, AListWithoutNamesAndMaskIsAMode) {
    for (std::uint32_t mode = 0; mode <= 0777; ++mode) {
        PosixAcl minimal = acl(kMinimal);
        minimal.set_mode(07000 | mode);
        EXPECT_EQ(minimal.mode(), mode);
        EXPECT_TRUE(minimal.says_no_more_than_a_mode());
    }
    EXPECT_FALSE(
        acl({{kOwner, 6}, {kGroup, 4}, {kMask, 7}, {kOther, 0}}).says_no_more_than_a_mode());
}

TEST(PosixAcl, ChmodChangesTheMaskAndNotTheGroupBehindIt) {
    PosixAcl named = acl(kNamed);
    named.set_mode(0713);
    EXPECT_EQ(named, acl({{kOwner, 7}, {kUser, 5, 1234}, {kGroup, 4}, {kMask, 1}, {kOther, 3}}));
    PosixAcl minimal = acl(kMinimal);
    minimal.set_mode(0713);
    EXPECT_EQ(minimal, acl({{kOwner, 7}, {kGroup, 1}, {kOther, 3}}));
}

TEST(PosixAcl, AFileGetsFromTheDefaultListWhatItsModeGrants) {
    PosixAcl named = acl(
        {{kOwner, 7}, {kUser, 7, 1}, {kGroup, 6}, {kNamedGroup, 5, 2}, {kMask, 7}, {kOther, 5}});
    named.restrict_to(0640);
    EXPECT_EQ(named, acl({{kOwner, 6},
                          {kUser, 7, 1},
                          {kGroup, 6},
                          {kNamedGroup, 5, 2},
                          {kMask, 4},
                          {kOther, 0}}));
    PosixAcl minimal = acl({{kOwner, 7}, {kGroup, 5}, {kOther, 5}});
    minimal.restrict_to(0666);
    EXPECT_EQ(minimal, acl({{kOwner, 6}, {kGroup, 4}, {kOther, 4}}));
}

TEST(PosixAcl, RandomListsKeepTheirWordThroughEveryChange) {
    test::SeededRandom random;
    const auto some = [&] { return static_cast<std::uint16_t>(random.below(8)); };
    for (int round = 0; round < 2000; ++round) {
        std::vector<Wire> entries{{kOwner, some()}};
        const auto users = random.below(3), groups = random.below(3);
        for (std::uint64_t i = 0; i < users; ++i)
            entries.push_back({kUser, some(), static_cast<std::uint32_t>(random.below(9))});
        entries.push_back({kGroup, some()});
        for (std::uint64_t i = 0; i < groups; ++i)
            entries.push_back({kNamedGroup, some(), static_cast<std::uint32_t>(random.below(9))});
        if (users + groups > 0 || random.one_in(2)) entries.push_back({kMask, some()});
        entries.push_back({kOther, some()});
        const PosixAcl before = acl(entries);
        EXPECT_EQ(before.serialize(), value_of(entries));
        const auto mode = static_cast<std::uint32_t>(random.below(010000));

        PosixAcl changed = before;
        changed.set_mode(mode);
        EXPECT_EQ(changed.mode(), mode & 0777);
        PosixAcl restricted = before;
        restricted.restrict_to(mode);
        EXPECT_EQ(restricted.mode(), before.mode() & mode);
        for (const PosixAcl& after : {changed, restricted}) {
            EXPECT_EQ(*PosixAcl::parse(after.serialize()), after);
            ASSERT_EQ(after.entries().size(), before.entries().size());
            for (std::size_t i = 0; i < after.entries().size(); ++i) {
                const AclEntry &was = before.entries()[i], &is = after.entries()[i];
                EXPECT_EQ(is.tag, was.tag);
                EXPECT_EQ(is.id, was.id);
                const bool named = was.tag == AclTag::kUser || was.tag == AclTag::kNamedGroup;
                if (named) {
                    EXPECT_EQ(is.permissions, was.permissions);
                }
            }
        }
    }
}

}  // namespace
}  // namespace reelfs
