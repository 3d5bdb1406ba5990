#include "reelfs/model/posix_stat.h"

#include <gtest/gtest.h>

#include <limits>

namespace reelfs {
namespace {

TEST(PosixStat, TimesSurviveBothWaysAlsoBefore1970) {
    for (std::int64_t ns :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{-1'500'000'000},
          std::int64_t{1'700'000'000'123'456'789}}) {
        timespec time = timespec_of({ns});
        EXPECT_GE(time.tv_nsec, 0);
        EXPECT_LT(time.tv_nsec, 1'000'000'000);
        EXPECT_EQ(timestamp_of(time).ns, ns);
    }
}

TEST(PosixStat, TimesBeyondNanosecondsSaturate) {
    EXPECT_EQ(timestamp_of({std::numeric_limits<time_t>::max(), 0}).ns,
              std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(timestamp_of({std::numeric_limits<time_t>::min(), 0}).ns,
              std::numeric_limits<std::int64_t>::min());
}

TEST(PosixStat, TypesSurviveBothWays) {
    for (int i = 1; i <= 7; ++i) {
        auto type = static_cast<NodeType>(i);
        EXPECT_EQ(type_of(type_bits(type) | 0644), type);
    }
    EXPECT_EQ(type_of(0644), NodeType::kFile);
    EXPECT_FALSE(type_of(0170000));
}

}  // namespace
}  // namespace reelfs
