#include "store/write_ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "store/layout.h"
#include "support/seeded_random.h"

namespace reelfs::store {
namespace {

TEST(WriteLedger, RegionsStartAlignedAndDoNotOverlap) {
    WriteLedger ledger;
    EXPECT_EQ(ledger.reserve(1), 0u);
    EXPECT_EQ(ledger.reserve(4096), 4096u);
    EXPECT_EQ(ledger.reserve(4097), 8192u);
    EXPECT_EQ(ledger.reserve(1), 16384u);
}

TEST(WriteLedger, TheDurableEndStopsAtTheLowestWriteInFlight) {
    WriteLedger ledger;
    const auto a = ledger.reserve(100), b = ledger.reserve(100), c = ledger.reserve(100);
    ledger.returned(c);
    ledger.returned(a);
    ledger.synced(ledger.mark());
    EXPECT_EQ(ledger.durable_end(), b);
    ledger.returned(b);
    EXPECT_EQ(ledger.durable_end(), b) << "returned is not synced";
    ledger.synced(ledger.mark());
    EXPECT_EQ(ledger.durable_end(), c + 100);
}

TEST(WriteLedger, ASyncCoversWhatHadReturnedWhenItBegan) {
    WriteLedger ledger;
    const auto a = ledger.reserve(100), b = ledger.reserve(100);
    ledger.returned(a);
    const auto mark = ledger.mark();
    ledger.returned(b);
    ledger.synced(mark);
    EXPECT_EQ(ledger.durable_end(), b);
    EXPECT_FALSE(ledger.clean());
}

TEST(WriteLedger, AnAbandonedRegionIsPassedOverAndNotReused) {
    WriteLedger ledger;
    const auto a = ledger.reserve(100);
    ledger.abandoned(a);
    EXPECT_TRUE(ledger.clean());
    EXPECT_EQ(ledger.reserve(100), 4096u);
}

TEST(WriteLedger, AGivenBackRegionIsReusedOnlyWhenItIsTheLast) {
    WriteLedger ledger;
    const auto a = ledger.reserve(100), b = ledger.reserve(100);
    ledger.given_back(a, 100);
    EXPECT_EQ(ledger.end(), b + 100);
    ledger.given_back(b, 100);
    EXPECT_EQ(ledger.reserve(100), b);
}

TEST(WriteLedger, RandomHistoriesKeepItsInvariants) {
    test::SeededRandom random;
    for (int run = 0; run < 200; ++run) {
        WriteLedger ledger;
        struct Write {
            std::uint64_t offset, length;
        };
        std::vector<Write> flying, content;
        std::vector<std::pair<WriteLedger::Mark, std::size_t>> marks;  // with content so far
        std::size_t durable = 0;                                       // of `content`
        for (int step = 0; step < 200; ++step) {
            const std::uint64_t what = random.below(8);
            if (what < 3 || flying.empty()) {
                const std::uint64_t length = 1 + random.below(10'000);
                const Write write{ledger.reserve(length), length};
                for (const auto& other : flying)
                    EXPECT_TRUE(write.offset >= other.offset + other.length ||
                                other.offset >= write.offset + write.length);
                for (const auto& other : content)
                    EXPECT_GE(write.offset, other.offset + other.length);
                EXPECT_GE(write.offset, ledger.durable_end());
                flying.push_back(write);
            } else if (what < 6) {
                const std::size_t which = random.below(flying.size());
                const Write write = flying[which];
                flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(which));
                const std::uint64_t how = random.below(6);
                if (how == 0)
                    ledger.abandoned(write.offset);
                else if (how == 1)
                    ledger.given_back(write.offset, write.length);
                else
                    ledger.returned(write.offset), content.push_back(write);
            } else if (marks.empty()) {
                marks.emplace_back(ledger.mark(), content.size());
            } else {
                ledger.synced(marks.back().first);
                durable = std::max(durable, marks.back().second);
                marks.clear();
            }
            // Below the durable end nothing flies, and all content is durable.
            for (const auto& write : flying) EXPECT_GE(write.offset, ledger.durable_end());
            for (std::size_t i = durable; i < content.size(); ++i)
                EXPECT_GE(content[i].offset, ledger.durable_end());
            EXPECT_EQ(ledger.clean(), durable == content.size());
            EXPECT_LE(ledger.durable_end(), ledger.returned_end());
            EXPECT_LE(ledger.returned_end(), ledger.end());
        }
    }
}

TEST(Layout, ThePunchedRunIsAlignedAndInside) {
    for (std::uint64_t offset = 0; offset < 9000; offset += 7)
        for (std::uint64_t length : {0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 20'000}) {
            const Range inside = aligned_inside(offset, length);
            if (inside.empty()) {
                EXPECT_LT(length, 2 * 4096u - 1);
                continue;
            }
            EXPECT_EQ(inside.begin % 4096, 0u);
            EXPECT_EQ(inside.end % 4096, 0u);
            EXPECT_GE(inside.begin, offset);
            EXPECT_LE(inside.end, offset + length);
            EXPECT_LT(inside.begin - offset, 4096u);
            EXPECT_LT(offset + length - inside.end, 4096u);
        }
}

TEST(Layout, AFileNameIsThePacksHexAndNothingElseIsAPack) {
    test::SeededRandom random;
    PackId pack;
    random.fill(pack.bytes);
    EXPECT_EQ(pack_of_file_name(file_name(pack)), pack);
    EXPECT_EQ(bucket_name(bucket_of(pack)), pack.hex().substr(0, 2));
    EXPECT_FALSE(pack_of_file_name("lost+found"));
    EXPECT_FALSE(pack_of_file_name(pack.hex()));
    EXPECT_FALSE(pack_of_file_name(pack.hex() + ".pack.new"));
    EXPECT_FALSE(pack_of_file_name(std::string(32, 'G') + ".pack"));
    EXPECT_FALSE(pack_of_file_name(std::string(32, 'A') + ".pack"));
}

}  // namespace
}  // namespace reelfs::store
