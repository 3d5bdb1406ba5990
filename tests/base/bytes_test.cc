// Buffers: what is freed is given back, or kept for the next of its size.
#include "reelfs/base/bytes.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>

namespace reelfs {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

void fill(Buffer& buffer) {
    std::memset(buffer.data(), 0x5A, buffer.size());
}

TEST(Bytes, AllZeroSeesEveryByte) {
    std::vector<std::byte> bytes(300);
    EXPECT_TRUE(all_zero({}));
    EXPECT_TRUE(all_zero(bytes));
    for (std::byte& one : bytes) {
        one = std::byte{1};
        EXPECT_FALSE(all_zero(bytes));
        one = std::byte{0};
    }
}

TEST(Buffer, OfAnySizeHoldsWhatIsWritten) {
    for (const std::size_t size : {std::size_t{1}, 4 * kMiB / 1024, kMiB / 8 - 1, kMiB / 8,
                                   kMiB / 8 + 1, kMiB / 4 + 4'480, 8 * kMiB}) {
        Buffer one(size), two(size);
        fill(one);
        std::memset(two.data(), 0x11, size);
        EXPECT_EQ(one.span().front(), std::byte{0x5A}) << size;
        EXPECT_EQ(one.span().back(), std::byte{0x5A}) << size;
        EXPECT_EQ(two.span().size(), size);
        one.shrink(size / 2);
        EXPECT_EQ(one.size(), size / 2);
    }
    EXPECT_EQ(Buffer(0).span().size(), 0u);
}

#ifndef __SANITIZE_ADDRESS__  // where spares are not kept, and what is freed stays for a while
TEST(Buffer, OneOfASizeFreedAMomentAgoNeedsNoNewPages) {
    constexpr std::size_t kSize = 3 * kMiB / 8;  // too small for huge pages
    {
        Buffer first(kSize);
        fill(first);
    }
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 100; ++i) {
        Buffer again(kSize - static_cast<std::size_t>(i));
        fill(again);
    }
    ::getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_minflt - before.ru_minflt, 100) << "each would fault 96 times";
}

TEST(Buffer, SizesThatComeInTurnNeedNoNewPagesEither) {
    // A run of dirty bytes grows so, and is then sealed into one that is a little larger.
    const auto grow = [] {
        Buffer run(kMiB / 4);
        fill(run);
        for (std::size_t size = kMiB / 2; size <= 8 * kMiB; size *= 2) {
            Buffer larger(size);
            fill(larger);
            run = std::move(larger);
        }
        Buffer sealed(8 * kMiB + kMiB / 16);
        fill(sealed);
    };
    grow();
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 20; ++i) grow();
    ::getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_minflt - before.ru_minflt, 400) << "each would fault hundreds of times";
}

#ifndef __SANITIZE_THREAD__  // whose own notes of this memory are resident, too
std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * 4096;
}

TEST(Buffer, WhatIsKeptIsBounded) {
    const std::size_t before = resident_bytes();
    {
        std::vector<Buffer> many;
        for (int i = 0; i < 40; ++i) {
            many.emplace_back(8 * kMiB);
            fill(many.back());
        }
        EXPECT_GT(resident_bytes(), before + 300 * kMiB);
    }
    EXPECT_LT(resident_bytes(), before + 80 * kMiB);
    for (int i = 0; i < 7; ++i) {
        Buffer other(9 * kMiB + static_cast<std::size_t>(i) * kMiB);
        fill(other);
    }
    EXPECT_LT(resident_bytes(), before + 80 * kMiB) << "those of another size went";
}
#endif
#endif

}  // namespace
}  // namespace reelfs
