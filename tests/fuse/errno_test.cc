#include "fuse/errno.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace reelfs::fuse {
namespace {

TEST(Errno, EveryCodeBecomesAnErrnoThatTheKernelTakes) {
    for (int code = 0; code <= static_cast<int>(Errc::kNewerFormat); ++code) {
        int number = errno_of(static_cast<Errc>(code));
        EXPECT_GT(number, 0) << code;
        EXPECT_LT(number, 512) << code;  // the kernel refuses what only it may use
    }
}

TEST(Errno, CodesWithDifferentMeaningsStayDifferent) {
    std::set<int> seen;
    for (int code = 0; code < static_cast<int>(Errc::kIo); ++code) {
        EXPECT_TRUE(seen.insert(errno_of(static_cast<Errc>(code))).second) << code;
    }
}

TEST(Errno, SaysWhatPosixSays) {
    EXPECT_EQ(errno_of(Errc::kNotFound), ENOENT);
    EXPECT_EQ(errno_of(Errc::kNotPermitted), EPERM);
    EXPECT_EQ(errno_of(Errc::kAccessDenied), EACCES);
    EXPECT_EQ(errno_of(Errc::kQuota), EDQUOT);
    EXPECT_EQ(errno_of(Errc::kNoAttribute), ENODATA);
    EXPECT_EQ(errno_of(Errc::kNoData), ENXIO);
    EXPECT_EQ(errno_of(Errc::kUnsupported), EOPNOTSUPP);
    EXPECT_EQ(errno_of(Errc::kCorrupt), EIO);
    EXPECT_EQ(errno_of(Errc::kWrongKey), EIO);
}

}  // namespace
}  // namespace reelfs::fuse
