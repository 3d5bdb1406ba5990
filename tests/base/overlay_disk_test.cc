// A disk whose changes stay in memory: what is below is never touched, what is seen is as if it
// were.
#include "reelfs/base/overlay_disk.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/seeded_random.h"
#include "support/sim_disk.h"

namespace reelfs {
namespace {

std::vector<std::byte> noise(test::SeededRandom& random, std::size_t size) {
    std::vector<std::byte> bytes(size);
    random.fill(bytes);
    return bytes;
}

template <class T>
T must(Result<T> result) {
    EXPECT_TRUE(result.ok()) << result.error().message();
    return std::move(result).value();
}

std::vector<std::byte> all_of(Disk& disk, const std::string& path) {
    return must(read_file(disk, path, 1 << 24));
}

struct OverlayDiskTest : ::testing::Test {
    OverlayDiskTest() {
        below.prepare("/d");
        EXPECT_TRUE(replace_file(below, "/d/a", bytes_of("what is below")).ok());
    }
    test::SeededRandom random;
    test::SimDisk below;
    OverlayDisk disk{below};
};

TEST_F(OverlayDiskTest, ChangesAreSeenHereAndNeverBelow) {
    const auto writes = below.calls(test::DiskCall::kWrite);
    auto file = must(disk.open("/d/a", OpenMode::kReadWrite));
    ASSERT_TRUE(file->write_at(5, bytes_of("was")).ok());
    file.reset();  // nobody has it open: the change stays all the same
    EXPECT_EQ(text_of(all_of(disk, "/d/a")), "what wasbelow");
    EXPECT_EQ(text_of(all_of(below, "/d/a")), "what is below");
    EXPECT_EQ(below.calls(test::DiskCall::kWrite), writes);
}

TEST_F(OverlayDiskTest, TwoWhoHaveAFileOpenSeeEachOthersChanges) {
    auto one = must(disk.open("/d/a", OpenMode::kReadWrite));
    auto other = must(disk.open("/d/a", OpenMode::kRead));
    ASSERT_TRUE(one->write_at(0, bytes_of("W")).ok());
    std::array<std::byte, 1> first{};
    EXPECT_EQ(must(other->read_at(0, first)), 1u);
    EXPECT_EQ(first[0], std::byte{'W'});
}

TEST_F(OverlayDiskTest, NamesComeMoveAndGo) {
    ASSERT_TRUE(disk.make_directory("/d/sub").ok());
    ASSERT_TRUE(replace_file(disk, "/d/sub/new", bytes_of("new")).ok());
    ASSERT_TRUE(disk.rename("/d/a", "/d/sub/moved").ok());
    auto names = must(disk.list("/d"));
    EXPECT_EQ(names, std::vector<std::string>{"sub"});
    EXPECT_EQ(must(disk.list("/d/sub")), (std::vector<std::string>{"moved", "new"}));
    EXPECT_EQ(text_of(all_of(disk, "/d/sub/moved")), "what is below");
    EXPECT_FALSE(must(disk.exists("/d/a")));
    EXPECT_EQ(disk.open("/d/a", OpenMode::kRead).error().code(), Errc::kNotFound);
    EXPECT_EQ(disk.remove("/d/a").error().code(), Errc::kNotFound);
    EXPECT_EQ(disk.open("/d/sub/new", OpenMode::kCreateNew).error().code(), Errc::kExists);
    EXPECT_EQ(disk.open("/none/x", OpenMode::kCreate).error().code(), Errc::kNotFound);
    EXPECT_TRUE(must(below.exists("/d/a")));
    EXPECT_FALSE(must(below.exists("/d/sub")));
}

TEST_F(OverlayDiskTest, AFileIsWhatAnOrdinaryOneWouldBeAfterAnyOperations) {
    auto content = noise(random, 50'000);
    ASSERT_TRUE(replace_file(below, "/d/f", content).ok());
    const auto before = content;
    auto file = must(disk.open("/d/f", OpenMode::kReadWrite));
    for (int step = 0; step < 2'000; ++step) {
        const std::size_t at = random.below(60'000), length = random.below(9'000);
        switch (random.below(4)) {
            case 0: {
                const auto bytes = noise(random, length + 1);
                ASSERT_TRUE(file->write_at(at, bytes).ok());
                content.resize(std::max(content.size(), at + bytes.size()));
                std::copy(bytes.begin(), bytes.end(),
                          content.begin() + static_cast<std::ptrdiff_t>(at));
                break;
            }
            case 1:
                ASSERT_TRUE(file->truncate(at).ok());
                content.resize(at);
                break;
            case 2: {
                ASSERT_TRUE(file->punch(at, length).ok());
                const std::size_t end = std::min(content.size(), at + length);
                for (std::size_t i = at; i < end; ++i) content[i] = std::byte{};
                break;
            }
            default:
                ASSERT_TRUE(file->allocate(at, length).ok());
                content.resize(std::max(content.size(), at + length));
        }
        ASSERT_EQ(must(file->size()), content.size());
        std::vector<std::byte> part(length);
        const std::size_t got = must(file->read_at(at, part));
        ASSERT_EQ(got, at >= content.size() ? 0 : std::min(length, content.size() - at));
        ASSERT_TRUE(
            std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got),
                       content.begin() + static_cast<std::ptrdiff_t>(std::min(at, content.size()))))
            << step;
    }
    EXPECT_EQ(all_of(disk, "/d/f"), content);
    EXPECT_EQ(all_of(below, "/d/f"), before);
}

}  // namespace
}  // namespace reelfs
