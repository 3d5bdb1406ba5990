#include "reelfs/content/dirty_runs.h"

#include <gtest/gtest.h>

#include <random>

namespace reelfs::content {
namespace {

TEST(DirtyRuns, AStreamIsCutIntoRunsOfTheGivenLength) {
    DirtyRuns runs;
    std::vector<std::byte> piece(1000, std::byte{7});
    for (std::uint64_t i = 0; i < 10; ++i) runs.write(i * 1000, piece, 4096);
    EXPECT_EQ(runs.bytes(), 10'000u);
    auto full = runs.take_full(4096);
    ASSERT_EQ(full.size(), 2u);
    EXPECT_EQ(full[0].length, 4096u);
    EXPECT_EQ(full[1].offset, 4096u);
    EXPECT_EQ(runs.bytes(), 10'000u - 8192u);
}

TEST(DirtyRuns, AgreeWithAPlainArray) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    constexpr std::size_t kFile = 20'000;
    for (int round = 0; round < 200; ++round) {
        DirtyRuns runs;
        std::vector<int> reference(kFile, -1);
        for (int step = 0; step < 60; ++step) {
            const std::size_t offset = random() % kFile,
                              length = 1 + random() % std::min<std::size_t>(kFile - offset, 3000);
            switch (random() % 8) {
                case 0:
                    runs.drop({offset, length});
                    std::fill_n(reference.begin() + static_cast<long>(offset), length, -1);
                    break;
                case 1:
                    for (const DirtyRun& run : runs.take_full(2048)) {
                        for (std::size_t i = 0; i < run.length; ++i) {
                            ASSERT_EQ(reference[run.offset + i],
                                      std::to_integer<int>(run.bytes()[i]));
                            reference[run.offset + i] = -1;
                        }
                    }
                    break;
                default: {
                    std::vector<std::byte> bytes(length);
                    for (auto& b : bytes) b = static_cast<std::byte>(random());
                    runs.write(offset, bytes, 2048);
                    for (std::size_t i = 0; i < length; ++i)
                        reference[offset + i] = std::to_integer<int>(bytes[i]);
                }
            }
            std::vector<std::byte> out(kFile);
            std::vector<ByteRange> missing{{0, kFile}};
            runs.copy_to(0, out, missing);
            std::vector<bool> held(kFile, true);
            for (const ByteRange& gap : missing)
                std::fill_n(held.begin() + static_cast<long>(gap.offset), gap.length, false);
            std::uint64_t count = 0;
            for (std::size_t i = 0; i < kFile; ++i) {
                ASSERT_EQ(held[i], reference[i] >= 0) << i;
                if (held[i]) {
                    ASSERT_EQ(std::to_integer<int>(out[i]), reference[i]) << i;
                    ++count;
                }
            }
            ASSERT_EQ(runs.bytes(), count);
            const std::size_t probe = random() % kFile;
            std::size_t dirty = probe, clean = probe;
            while (dirty < kFile && reference[dirty] < 0) ++dirty;
            while (clean < kFile && reference[clean] >= 0) ++clean;
            ASSERT_EQ(runs.next_dirty(probe, kFile), dirty);
            ASSERT_EQ(runs.next_clean(probe, kFile), clean);
        }
    }
}

}  // namespace
}  // namespace reelfs::content
