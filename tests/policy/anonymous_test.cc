#include "reelfs/policy/anonymous.h"

#include <gtest/gtest.h>

#include <vector>

namespace reelfs::policy {
namespace {

constexpr AnonymousPeer kLocal{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};

Attributes directory(std::uint32_t mode) {
    Attributes made;
    made.type = NodeType::kDirectory;
    made.mode = mode;
    return made;
}

Attributes file(std::uint32_t mode) {
    Attributes made;
    made.type = NodeType::kFile;
    made.mode = mode;
    return made;
}

TEST(AnonymousMayRead, AWorldReadableFileFromAPersonAtThisMachine) {
    const std::vector<Attributes> chain{directory(0755), directory(0711)};
    EXPECT_TRUE(anonymous_may_read(kLocal, chain, file(0644)));
}

TEST(AnonymousMayRead, NeedsALoopbackPeerALocalHostAndNoProxyAllThree) {
    const std::vector<Attributes> chain{directory(0755)};
    for (int bits = 0; bits < 8; ++bits) {
        const AnonymousPeer peer{.peer_is_loopback = (bits & 1) != 0,
                                 .host_is_local = (bits & 2) != 0,
                                 .forwarded = (bits & 4) != 0};
        EXPECT_EQ(anonymous_may_read(peer, chain, file(0644)), bits == 3) << bits;
        EXPECT_EQ(anonymous_may_search(peer, chain), bits == 3) << bits;
    }
}

TEST(AnonymousMayRead, OnlyTheBitsOfOtherCountForEveryModeOfFileAndFolder) {
    for (std::uint32_t folder_mode = 0; folder_mode <= 07777; ++folder_mode) {
        const std::vector<Attributes> chain{directory(0755), directory(folder_mode)};
        const bool may_search = (folder_mode & 01) != 0;
        ASSERT_EQ(anonymous_may_search(kLocal, chain), may_search) << folder_mode;
        ASSERT_EQ(anonymous_may_read(kLocal, chain, file(0004)), may_search) << folder_mode;
    }
    const std::vector<Attributes> open{directory(0755)};
    for (std::uint32_t mode = 0; mode <= 07777; ++mode)
        ASSERT_EQ(anonymous_may_read(kLocal, open, file(mode)), (mode & 04) != 0) << mode;
}

TEST(AnonymousMayRead, OneClosedFolderAnywhereAboveClosesEverythingBelow) {
    for (std::size_t closed = 0; closed < 5; ++closed) {
        std::vector<Attributes> chain(5, directory(0777));
        chain[closed].mode = 0776;
        EXPECT_FALSE(anonymous_may_read(kLocal, chain, file(0777))) << closed;
        EXPECT_FALSE(anonymous_may_search(kLocal, chain)) << closed;
    }
}

TEST(AnonymousMayRead, AChainWithoutAContainerOrWithSomethingElseThanFoldersIsRefused) {
    EXPECT_FALSE(anonymous_may_read(kLocal, {}, file(0777)));
    EXPECT_FALSE(anonymous_may_search(kLocal, {}));
    const std::vector<Attributes> chain{directory(0777), file(0777)};
    EXPECT_FALSE(anonymous_may_read(kLocal, chain, file(0777)));
}

TEST(AnonymousMayRead, AnAbsentFileIsJudgedByItsFoldersAlone) {
    const std::vector<Attributes> open{directory(0711)};
    const std::vector<Attributes> shut{directory(0750)};
    EXPECT_TRUE(anonymous_may_search(kLocal, open));
    EXPECT_FALSE(anonymous_may_search(kLocal, shut));
}

}  // namespace
}  // namespace reelfs::policy
