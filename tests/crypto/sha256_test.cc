// The examples of FIPS 180-4 and RFC 4231.
#include "reelfs/crypto/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace reelfs::crypto {
namespace {

TEST(Sha256, IsTheStandardsOne) {
    EXPECT_EQ(to_hex(sha256({})),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(to_hex(sha256(bytes_of("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, PiecesAndCopiesGiveTheSame) {
    Sha256 hash;
    hash.update(bytes_of("a"));
    Sha256 fork = hash;
    hash.update(bytes_of("bc"));
    EXPECT_EQ(hash.finish(), sha256(bytes_of("abc")));
    EXPECT_EQ(fork.finish(), sha256(bytes_of("a")));
}

TEST(HmacSha256, IsTheStandardsOne) {
    EXPECT_EQ(to_hex(hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"))),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const std::string long_key(131, '\xaa');
    EXPECT_EQ(
        to_hex(hmac_sha256(bytes_of(long_key),
                           bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"))),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace reelfs::crypto
