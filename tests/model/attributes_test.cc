#include "reelfs/model/attributes.h"

#include <gtest/gtest.h>

namespace reelfs {
namespace {

TEST(Attributes, AChangeTakesSuidAndTheSgidOfExecutables) {
    EXPECT_EQ(without_privileges(04755), 0755u);
    EXPECT_EQ(without_privileges(02755), 0755u);
    EXPECT_EQ(without_privileges(06711), 0711u);
    EXPECT_EQ(without_privileges(02744), 02744u);  // mandatory locking, not sgid
    EXPECT_EQ(without_privileges(06744), 02744u);
    EXPECT_EQ(without_privileges(01644), 01644u);
}

}  // namespace
}  // namespace reelfs
