// Which writes of a pack go past the page cache.
#include "store/pack.h"

#include <gtest/gtest.h>

#include "reelfs/model/limits.h"

namespace reelfs::test {
namespace {

/// Takes everything, and remembers how it came.
class CountingFile final : public File {
  public:
    Result<std::size_t> read_at(std::uint64_t, MutableBytes) const override { return 0; }
    Result<void> write_at(std::uint64_t, std::span<const Bytes>) override {
        ++cached_writes;
        return done();
    }
    Result<void> write_bulk_at(std::uint64_t, std::span<const Bytes>) override {
        ++bulk_writes;
        return done();
    }
    Result<void> sync() override { return done(); }
    Result<std::uint64_t> size() const override { return 0; }
    Result<void> truncate(std::uint64_t) override { return done(); }
    Result<void> punch(std::uint64_t, std::uint64_t) override { return done(); }
    Result<void> allocate(std::uint64_t, std::uint64_t) override { return done(); }
    void drop_cache() override {}
    void will_need(std::uint64_t, std::uint64_t) override {}

    int cached_writes = 0, bulk_writes = 0;
};

struct Case {
    store::PackUse use;
    std::size_t bytes;
    bool bulk;
};

TEST(Pack, OnlyLargePiecesOfAStreamGoPastThePageCache) {
    constexpr std::size_t kLarge = limits::bulk_put_bytes_min;
    const std::vector<std::byte> content(kLarge);
    for (const auto& [use, bytes, bulk] : {Case{store::PackUse::kStream, kLarge, true},
                                           Case{store::PackUse::kStream, kLarge - 1, false},
                                           Case{store::PackUse::kShared, kLarge, false}}) {
        auto file = std::make_shared<CountingFile>();
        store::Pack pack(PackId{}, use, file, [] { return done(); });
        const Bytes pieces[] = {Bytes(content).first(bytes / 2),
                                Bytes(content).subspan(bytes / 2, bytes - bytes / 2)};
        ASSERT_TRUE(pack.put(pieces).ok());
        EXPECT_EQ(file->bulk_writes, bulk ? 1 : 0) << bytes;
        EXPECT_EQ(file->cached_writes, bulk ? 0 : 1) << bytes;
    }
}

}  // namespace
}  // namespace reelfs::test
