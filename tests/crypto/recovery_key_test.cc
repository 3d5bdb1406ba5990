#include "crypto/recovery_key.h"

#include <gtest/gtest.h>

#include "crypto/seeded_random.h"

namespace reelfs::crypto {
namespace {

SecretKey counting_key() {
    std::array<std::byte, kKeyBytes> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
    return SecretKey::from(bytes);
}

Errc code_for(std::string_view text) {
    const auto parsed = parse_recovery_key(text);
    return parsed.ok() ? Errc::kNotFound : parsed.error().code();
}

TEST(RecoveryKey, IsPrintedAsFourteenGroupsOfFour) {
    EXPECT_EQ(recovery_key_from(counting_key()).text,
              "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFG-TQGS");
}

TEST(RecoveryKey, ReadsBackWhatWasPrinted) {
    SeededRandom random(test_seed());
    for (int i = 0; i < 200; ++i) {
        const SecretKey key = SecretKey::random(random);
        const auto parsed = parse_recovery_key(recovery_key_from(key).text);
        ASSERT_TRUE(parsed.ok()) << parsed.error().message();
        EXPECT_EQ(to_hex(parsed->view()), to_hex(key.view()));
    }
}

TEST(RecoveryKey, ForgivesCaseBlanksHyphensAndLookalikes) {
    const std::string printed = recovery_key_from(counting_key()).text;
    std::string typed = " \t";
    for (const char c : printed) {
        if (c == '-') continue;
        const char lower = static_cast<char>(std::tolower(c));
        typed += c == '0' ? 'o' : c == '1' ? 'L' : lower;
        typed += ' ';
    }
    const auto parsed = parse_recovery_key(typed + "\n");
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(to_hex(parsed->view()), to_hex(counting_key().view()));
}

TEST(RecoveryKey, EverySingleWrongDigitIsFound) {
    const std::string printed = recovery_key_from(counting_key()).text;
    for (std::size_t i = 0; i < printed.size(); ++i) {
        if (printed[i] == '-') continue;
        for (const char digit : std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZ")) {
            if (digit == printed[i]) continue;
            std::string typed = printed;
            typed[i] = digit;
            EXPECT_EQ(code_for(typed), Errc::kInvalid) << typed;
        }
    }
}

TEST(RecoveryKey, SaysWhatIsWrong) {
    const std::string printed = recovery_key_from(counting_key()).text;
    EXPECT_EQ(code_for(""), Errc::kInvalid);
    EXPECT_EQ(code_for(printed + "-0000"), Errc::kInvalid);
    const auto cut = parse_recovery_key(printed.substr(0, 20));
    EXPECT_NE(cut.error().message().find("16 characters instead of 56"), std::string::npos)
        << cut.error().message();
    std::string strange = printed;
    strange[5] = 'U';
    EXPECT_NE(parse_recovery_key(strange).error().message().find("group 2"), std::string::npos);
}

}  // namespace
}  // namespace reelfs::crypto
