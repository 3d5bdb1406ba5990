#include "fuse/device_queues.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>

namespace reelfs::fuse {
namespace {

std::vector<Fd> some(int count) {
    std::vector<Fd> queues;
    for (int n = 0; n < count; ++n) queues.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    return queues;
}

TEST(DeviceQueues, AThreadReadsAndRepliesOnOneOfItsOwn) {
    DeviceQueues queues;
    EXPECT_EQ(queues.to_read(99), 99) << "INIT comes before there are any";
    queues.fill(some(2));
    int first = -1, second = -1, third = -1;
    std::thread([&] {
        EXPECT_EQ(queues.to_reply(99), 99) << "a notification of a thread that reads nothing";
        first = queues.to_read(99);
        EXPECT_EQ(queues.to_read(99), first);
        EXPECT_EQ(queues.to_reply(99), first);
    }).join();
    std::thread([&] { second = queues.to_read(99); }).join();
    std::thread([&] {
        third = queues.to_read(99);
        EXPECT_EQ(queues.to_reply(99), third);
    }).join();
    EXPECT_NE(first, second);
    EXPECT_NE(first, 99);
    EXPECT_NE(second, 99);
    EXPECT_EQ(third, 99) << "when all are taken";
}

TEST(DeviceQueues, AThreadThatServedOneMountTakesNothingOfItToAnother) {
    std::thread([] {
        {
            DeviceQueues former;
            former.fill(some(1));
            EXPECT_NE(former.to_read(99), 99);
        }
        DeviceQueues queues;
        EXPECT_EQ(queues.to_read(98), 98);
        EXPECT_EQ(queues.to_reply(98), 98);
    }).join();
}

}  // namespace
}  // namespace reelfs::fuse
