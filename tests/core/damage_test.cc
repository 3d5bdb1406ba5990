// Damage below the tree: bytes flipped in each part of an extent, extents that trade places or are
// replayed, packs cut, gone or exchanged. Never a wrong byte; what is not covered reads on; what is
// covered is an I/O error, always.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::must;
using test::SeededRandom;
using test::StoreRig;

constexpr std::size_t kBlock = 16'384;
const std::string kPacks = "/data/store/packs";

class DamageTest : public ::testing::Test {
  protected:
    DamageTest() : rig_(random_) {
        must(rig_.tree().create_container({}, "c",
                                          {.mode = 0755, .block_bytes = kBlock, .profile = {}}));
    }

    /// A file of its own extent, durable.
    void put(const std::string& name, std::size_t size) {
        written_[name] = rig_.noise(size);
        auto file = rig_.create(rig_.container(), name);
        must(rig_.tree().write({}, *file, 0, written_[name]));
        must(rig_.tree().fsync(*file));
        rig_.tree().release(file);
    }

    std::vector<std::string> packs() {
        std::vector<std::string> found;
        for (const auto& bucket : must(rig_.disk().list(kPacks)))
            for (const auto& name : must(rig_.disk().list(kPacks + "/" + bucket)))
                found.push_back(kPacks + "/" + bucket + "/" + name);
        std::sort(found.begin(), found.end());
        return found;
    }
    std::vector<std::byte> bytes_of_pack(const std::string& path) {
        auto file = must(rig_.disk().open(path, OpenMode::kRead));
        std::vector<std::byte> bytes(must(file->size()));
        must(file->read_at(0, bytes));
        return bytes;
    }
    /// Where extents begin in the one pack there is.
    std::vector<std::uint64_t> extents() {
        const auto bytes = bytes_of_pack(packs().at(0));
        std::vector<std::uint64_t> found;
        for (std::uint64_t at = 0; at + 8 <= bytes.size(); at += 4096)
            if (std::memcmp(bytes.data() + at, "RFSEXT01", 8) == 0) found.push_back(at);
        return found;
    }
    void flip(std::uint64_t at) { rig_.disk().flip(packs().at(0), at); }

    /// The blocks of a file that do not read; what reads is what was written.
    std::vector<std::size_t> unreadable(const std::string& name) {
        const auto& bytes = written_.at(name);
        const NodeId node = must(rig_.tree().lookup(rig_.container(), name)).node;
        EXPECT_EQ(must(rig_.tree().attributes(node)).size, bytes.size());
        auto file = must(rig_.tree().open(node, {.read = true}));
        std::vector<std::size_t> bad;
        for (std::size_t block = 0; block * kBlock < bytes.size(); ++block) {
            std::vector<std::byte> out(std::min(kBlock, bytes.size() - block * kBlock));
            auto count = rig_.tree().read(*file, block * kBlock, out);
            if (!count) {
                EXPECT_EQ(count.error().code(), Errc::kCorrupt) << count.error().message();
                bad.push_back(block);
                continue;
            }
            EXPECT_EQ(*count, out.size());
            EXPECT_EQ(std::memcmp(out.data(), bytes.data() + block * kBlock, out.size()), 0)
                << name << ", block " << block << ": WRONG BYTES";
        }
        rig_.tree().release(file);
        return bad;
    }
    bool is_whole(const std::string& name) { return unreadable(name).empty(); }
    bool is_gone(const std::string& name) {
        return unreadable(name).size() == (written_.at(name).size() + kBlock - 1) / kBlock;
    }

    SeededRandom random_;
    StoreRig rig_;
    std::map<std::string, std::vector<std::byte>> written_;
};

TEST_F(DamageTest, AFlippedByteCostsNoMoreThanItsBlock) {
    put("before", 50'000);
    put("hit", 10 * kBlock);
    put("after", 50'000);
    rig_.close();
    const std::uint64_t at = extents().at(1);
    const std::uint64_t body = at + 4096;  // of an extent with a body of more than 64 KiB
    struct Case {
        const char* what;
        std::uint64_t at;
        std::vector<std::size_t> lost;
    };
    for (const Case& c :
         {Case{"magic", at, {}}, Case{"cipher", at + 10, {}}, Case{"key id", at + 12, {}},
          Case{"extent id", at + 24, {}}, Case{"salt", at + 40, {}}, Case{"checksum", at + 64, {}},
          Case{"sealed origin", at + 80, {}}, Case{"its tag", at + 100, {}},
          Case{"first tag", at + 128, {0}}, Case{"last tag", at + 128 + 9 * 16, {9}},
          Case{"padding", at + 2'000, {}}, Case{"first byte of the body", body, {0}},
          Case{"a byte inside", body + 5 * kBlock + 77, {5}},
          Case{"last byte of the body", body + 10 * kBlock - 1, {9}}}) {
        SCOPED_TRACE(c.what);
        flip(c.at);
        rig_.open();
        // Reads take identity from the catalog: a damaged head is for scrub and rebuild to find.
        EXPECT_EQ(unreadable("hit"), c.lost);
        EXPECT_TRUE(is_whole("before"));
        EXPECT_TRUE(is_whole("after"));
        EXPECT_TRUE(rig_.volume().open_report().empty());
        rig_.close();
        flip(c.at);
    }
    rig_.open();
    EXPECT_TRUE(is_whole("hit"));
}

TEST_F(DamageTest, AFlippedByteIsNotTakenForAnUnfinishedWriteAfterAKill) {
    put("hit", 10 * kBlock);
    put("other", 50'000);
    auto killed = rig_.disk().kill();
    killed->flip(packs().at(0), extents().at(0) + 4096 + 3 * kBlock);
    rig_.replace_disk(std::move(killed));
    EXPECT_EQ(unreadable("hit"), std::vector<std::size_t>{3});
    EXPECT_TRUE(is_whole("other"));
}

TEST_F(DamageTest, ExtentsThatTradePlacesDoNotOpen) {
    put("one", 5 * kBlock);
    put("two", 5 * kBlock);
    put("three", 5 * kBlock);
    rig_.close();
    const std::string pack = packs().at(0);
    const auto at = extents();
    ASSERT_EQ(at.size(), 3u);
    const auto bytes = bytes_of_pack(pack);
    const std::uint64_t length = at[1] - at[0];
    ASSERT_EQ(length, at[2] - at[1]);
    rig_.disk().damage(pack, at[0], Bytes(bytes).subspan(at[1], length));
    rig_.disk().damage(pack, at[1], Bytes(bytes).subspan(at[0], length));
    rig_.open();
    EXPECT_TRUE(is_gone("one"));
    EXPECT_TRUE(is_gone("two"));
    EXPECT_TRUE(is_whole("three"));
}

TEST_F(DamageTest, BlocksOfOneExtentThatTradePlacesDoNotOpenEvenWithTheirTags) {
    put("f", 5 * kBlock);
    rig_.close();
    const std::string pack = packs().at(0);
    const std::uint64_t at = extents().at(0), body = at + 4096;
    const auto bytes = bytes_of_pack(pack);
    const auto move = [&](std::uint64_t from, std::uint64_t to, std::uint64_t length) {
        rig_.disk().damage(pack, to, Bytes(bytes).subspan(from, length));
    };
    move(body + kBlock, body + 2 * kBlock, kBlock);
    move(body + 2 * kBlock, body + kBlock, kBlock);
    move(at + 128 + 16, at + 128 + 32, 16);
    move(at + 128 + 32, at + 128 + 16, 16);
    rig_.open();
    EXPECT_EQ(unreadable("f"), (std::vector<std::size_t>{1, 2}));
}

TEST_F(DamageTest, AnOldVersionPutBackIsNotBelieved) {
    put("f", 5 * kBlock);
    const std::uint64_t first = extents().at(0);
    const auto old = bytes_of_pack(packs().at(0));
    put("g", 100);  // so that the pack is kept
    written_["f"] = rig_.noise(5 * kBlock);
    auto file = must(
        rig_.tree().open(must(rig_.tree().lookup(rig_.container(), "f")).node, {.write = true}));
    must(rig_.tree().write({}, *file, 0, written_["f"]));
    must(rig_.tree().fsync(*file));
    rig_.tree().release(file);
    rig_.close();
    const std::uint64_t second = extents().back();
    ASSERT_GT(second, first);
    rig_.disk().damage(
        packs().at(0), second,
        Bytes(old).subspan(first, std::min<std::uint64_t>(old.size() - first, 4096 + 5 * kBlock)));
    rig_.open();
    EXPECT_TRUE(is_gone("f"));
}

TEST_F(DamageTest, AShortenedPackCostsWhatLayBeyond) {
    put("below", 5 * kBlock);
    put("across", 5 * kBlock);
    put("beyond", 5 * kBlock);
    rig_.close();
    const std::uint64_t across = extents().at(1);
    auto file = must(rig_.disk().open(packs().at(0), OpenMode::kReadWrite));
    must(file->truncate(across + 4096 + 2 * kBlock + 10));
    rig_.open();
    EXPECT_TRUE(is_whole("below"));
    EXPECT_EQ(unreadable("across"), (std::vector<std::size_t>{2, 3, 4}));
    EXPECT_TRUE(is_gone("beyond"));
    put("new", 50'000);  // and service goes on
    EXPECT_TRUE(is_whole("new"));
}

TEST_F(DamageTest, AMissingPackIsAnIoErrorForWhatWasInIt) {
    put("one", 5 * kBlock);
    rig_.reopen();  // a start has packs of its own
    put("two", 5 * kBlock);
    const auto both = packs();
    ASSERT_EQ(both.size(), 2u);
    rig_.close();
    must(rig_.disk().remove(both[0]));
    rig_.open();
    EXPECT_NE(is_whole("one"), is_whole("two"));
    EXPECT_NE(is_gone("one"), is_gone("two"));
    const std::string gone = is_gone("one") ? "one" : "two";
    const AnonymousPeer local{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};
    auto object = must(rig_.tree().open_object(local, "c", {gone}));
    Pins pins;
    auto read = object->read(0, 100, pins);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code(), Errc::kCorrupt) << "it is not a 404";
    object.reset();  // it may not outlive the volume
    must(rig_.tree().unlink(rig_.container(), gone));
    rig_.reopen();
    EXPECT_EQ(rig_.tree().lookup(rig_.container(), gone).error().code(), Errc::kNotFound);
}

TEST_F(DamageTest, PacksThatTradeNamesDoNotOpen) {
    put("one", 5 * kBlock);
    rig_.reopen();
    put("two", 5 * kBlock);
    const auto both = packs();
    ASSERT_EQ(both.size(), 2u);
    rig_.close();
    must(rig_.disk().rename(both[0], both[0] + ".moved"));
    must(rig_.disk().rename(both[1], both[0]));
    must(rig_.disk().rename(both[0] + ".moved", both[1]));
    rig_.open();
    EXPECT_TRUE(is_gone("one"));
    EXPECT_TRUE(is_gone("two"));
    EXPECT_TRUE(rig_.volume().open_report().empty());
}

TEST_F(DamageTest, AMissingKeyringDoesNotOpenAndAnEmptyOneIsDamage) {
    put("one", 5 * kBlock);
    rig_.close();
    const auto keyring = must(read_file(rig_.disk(), "/data/store/keyring", 1 << 20));
    must(rig_.disk().remove("/data/store/keyring"));
    EXPECT_EQ(rig_.try_open().error().code(), Errc::kNotFound);
    must(replace_file(rig_.disk(), "/data/store/keyring", {}));
    EXPECT_EQ(rig_.try_open().error().code(), Errc::kCorrupt);
    must(replace_file(rig_.disk(), "/data/store/keyring", keyring));
    rig_.open();
    EXPECT_TRUE(is_whole("one"));
}

}  // namespace
}  // namespace reelfs::core
