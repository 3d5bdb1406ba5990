#include "reelfs/model/attributes.h"

#include <gtest/gtest.h>

namespace reelfs {
namespace {

TEST(Attributes, AChangeTakesSuidAndSgidButForAMemberWhoseGroupMayNotExecute) {
    for (const bool member : {false, true}) {
        EXPECT_EQ(without_privileges(04755, member), 0755u);
        EXPECT_EQ(without_privileges(02755, member), 0755u);
        EXPECT_EQ(without_privileges(06711, member), 0711u);
        EXPECT_EQ(without_privileges(01644, member), 01644u);
    }
    EXPECT_EQ(without_privileges(02744, true), 02744u);
    EXPECT_EQ(without_privileges(06744, true), 02744u);
    EXPECT_EQ(without_privileges(02744, false), 0744u);
    EXPECT_EQ(without_privileges(06744, false), 0744u);
}

}  // namespace
}  // namespace reelfs
