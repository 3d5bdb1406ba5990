// Reading extents: what is kept in the cache, and what is not.
#include "reelfs/content/extent_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "content/opener_cache.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/crypto/random.h"
#include "reelfs/store/memory_store.h"
#include "support/seeded_random.h"

namespace reelfs::content {
namespace {

TEST(RecentMisses, KnowsABlockFromItsSecondMissOn) {
    RecentMisses misses;
    const BlockKey one{ExtentId(7), BlockIndex(0)}, other{ExtentId(7), BlockIndex(1)};
    EXPECT_FALSE(misses.note(one));
    EXPECT_FALSE(misses.note(other));
    EXPECT_TRUE(misses.note(one));
    EXPECT_TRUE(misses.note(one));
}

class ExtentReaderTest : public ::testing::Test, KeySource, InlineSource {
  protected:
    ExtentReaderTest() { crypto::initialize(); }

    Result<std::shared_ptr<const crypto::SecretKey>> container_key(ContainerId, KeyId) override {
        return key_;
    }
    Result<std::vector<std::byte>> inline_bytes(ExtentId) override { return sealed_; }

    /// An extent that lives in the catalog: three blocks of 4 KiB, the last one short.
    PlacedExtent extent() {
        plain_.resize(10'000);
        random_.fill(plain_);
        const SealedExtent sealed = seal_extent(*key_, {ExtentId(3), ContainerId(1), KeyId(1), 12},
                                                {NodeId(9), 0}, plain_, random_);
        sealed_ = copy_of(sealed.bytes.span());
        return {.shape = sealed.shape,
                .location = {.pack = std::nullopt, .offset = 0, .length = sealed_.size()}};
    }
    std::vector<std::byte> part(std::size_t from, std::size_t length) const {
        return copy_of(Bytes(plain_).subspan(from, length));
    }

    test::SeededRandom random_;
    std::shared_ptr<const crypto::SecretKey> key_ =
        std::make_shared<crypto::SecretKey>(crypto::SecretKey::random(random_));
    std::vector<std::byte> plain_, sealed_;
    BlockCache cache_{1 << 20};
    std::unique_ptr<store::ExtentStore> store_ = store::make_memory_store(random_);
    ExtentReader reader_{*store_, *this, *this, cache_};
};

TEST_F(ExtentReaderTest, AnOpenerIsOneReadersAtATimeAndForgottenWhereverItIs) {
    const ExtentShape first = extent().shape, second = extent().shape;  // of the same place
    OpenerCache openers;
    EXPECT_EQ(openers.take(first), nullptr);
    openers.give_back(OpenerCache::make(*key_, first, openers.generation()));
    EXPECT_EQ(openers.take(second), nullptr) << "another salt";
    auto one = openers.take(first);
    ASSERT_NE(one, nullptr) << "whoever asked for another left it there";
    EXPECT_EQ(openers.take(first), nullptr) << "somebody has it";
    auto other = OpenerCache::make(*key_, second, openers.generation());
    openers.give_back(std::move(other));
    openers.forget();
    EXPECT_EQ(openers.take(second), nullptr);
    openers.give_back(std::move(one));
    EXPECT_EQ(openers.take(first), nullptr) << "made before";
    const std::uint64_t before = openers.generation();
    openers.forget();
    openers.give_back(OpenerCache::make(*key_, first, before));
    EXPECT_EQ(openers.take(first), nullptr) << "its key was asked for before";
    openers.give_back(OpenerCache::make(*key_, first, openers.generation()));
    EXPECT_NE(openers.take(first), nullptr);
}

TEST_F(ExtentReaderTest, ManyReadersOfAFewLargeExtentsAtOnceWhileKeysAreForgotten) {
    struct Large {
        PlacedExtent placed;
        std::vector<std::byte> plain;
    };
    std::vector<Large> extents;
    const PackId pack = *store_->open_pack(ContainerId(1));
    for (std::uint64_t id : {5, 261, 6}) {  // the first two have one place among the openers
        Large& large = extents.emplace_back();
        large.plain.resize(200'000 + 1'000 * id);
        random_.fill(large.plain);
        const SealedExtent sealed = seal_extent(*key_, {ExtentId(id), ContainerId(1), KeyId(1), 12},
                                                {NodeId(9), 0}, large.plain, random_);
        const Bytes bytes = sealed.bytes.span();
        large.placed = {.shape = sealed.shape, .location = *store_->put(pack, std::array{bytes})};
    }
    std::atomic<bool> stop = false;
    std::jthread forgetful([&] {
        while (!stop) reader_.forget_keys();
    });
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
        const std::uint64_t seed = random_.seed() + static_cast<std::uint64_t>(i);
        readers.emplace_back([&, seed] {
            test::SeededRandom random(seed);
            std::vector<std::byte> out;
            for (int n = 0; n < 500; ++n) {
                const Large& large = extents[random.below(extents.size())];
                const std::size_t from = random.below(large.plain.size());
                out.resize(1 +
                           random.below(std::min<std::size_t>(large.plain.size() - from, 9'000)));
                ASSERT_TRUE(reader_.read(large.placed, from, out, Caching::kKeepAgain).ok());
                ASSERT_EQ(out, copy_of(Bytes(large.plain).subspan(from, out.size())));
            }
        });
    }
    readers.clear();
    stop = true;
}

TEST_F(ExtentReaderTest, SmallReadsAreKeptFromTheSecondOn) {
    const PlacedExtent placed = extent();
    std::vector<std::byte> out(3'000);
    Pins pins;
    for (int time = 1; time <= 3; ++time) {
        ASSERT_TRUE(reader_.read(placed, 5'000, out, Caching::kKeepAgain).ok());
        EXPECT_EQ(out, part(5'000, 3'000));
        EXPECT_EQ(reader_.pin_cached(placed, 5'000, 3'000, pins), time > 1) << time;
    }
}

TEST_F(ExtentReaderTest, PinsAreTheBytesWithoutACopyUnlessTheyAreFew) {
    const PlacedExtent placed = extent();
    Pins pins;
    EXPECT_FALSE(reader_.pin_cached(placed, 0, 10'000, pins));
    ASSERT_TRUE(reader_.pin(placed, 4'000, 6'000, pins).ok());
    std::vector<std::byte> joined;
    for (const PinnedBytes& pin : pins)
        joined.insert(joined.end(), pin.bytes.begin(), pin.bytes.end());
    EXPECT_EQ(joined, part(4'000, 6'000));
    ASSERT_EQ(pins.size(), 3u);
    EXPECT_EQ(pins[0].owner->size(), 96u) << "a copy of what was asked for";
    EXPECT_EQ(pins[1].owner->size(), 4'096u);
    Pins again;
    EXPECT_TRUE(reader_.pin_cached(placed, 4'000, 6'000, again));
    EXPECT_EQ(again[1].owner, pins[1].owner);
}

TEST_F(ExtentReaderTest, ADamagedBlockLeavesPinsAsTheyWere) {
    const PlacedExtent placed = extent();
    sealed_.back() ^= std::byte{1};
    Pins pins;
    ASSERT_TRUE(reader_.pin(placed, 0, 100, pins).ok());
    const std::size_t before = pins.size();
    EXPECT_EQ(reader_.pin(placed, 0, 10'000, pins).error().code(), Errc::kCorrupt);
    EXPECT_EQ(pins.size(), before);
    EXPECT_EQ(reader_.pin(placed, 9'000, 2'000, pins).error().code(), Errc::kCorrupt);
    std::vector<std::byte> out(10'000);
    EXPECT_EQ(reader_.read(placed, 0, out, Caching::kKeepAgain).error().code(), Errc::kCorrupt);
}

}  // namespace
}  // namespace reelfs::content
