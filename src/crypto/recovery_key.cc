// See recovery_key.h. The checksum is the first 20 bits of derive(key, "recovery check", nothing):
// a typing error passes unseen once in a million, and then opens no slot.
#include "crypto/recovery_key.h"

#include <fmt/format.h>

#include <array>

namespace reelfs::crypto {

namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kKeyDigits = 52, kCheckDigits = 4, kGroupDigits = 4;
constexpr std::size_t kDigits = kKeyDigits + kCheckDigits;
static_assert(kKeyDigits * 5 >= kKeyBytes * 8 && kDigits % kGroupDigits == 0);

using Digits = std::array<std::uint8_t, kDigits>;

struct WipedDigits {
    Digits digits{};
    ~WipedDigits() { wipe(std::as_writable_bytes(std::span(digits))); }
};

/// Digit `index` of `bytes` read as a row of bits, zeros behind its end.
std::uint8_t digit_of(Bytes bytes, std::size_t index) {
    std::uint8_t digit = 0;
    for (std::size_t bit = index * 5; bit < index * 5 + 5; ++bit) {
        const unsigned byte =
            bit / 8 < bytes.size() ? std::to_integer<unsigned>(bytes[bit / 8]) : 0;
        digit = static_cast<std::uint8_t>(digit << 1 | (byte >> (7 - bit % 8) & 1));
    }
    return digit;
}

void write_digits(const SecretKey& secret, Digits& digits) {
    const SecretKey check = derive(secret, "recovery check", {});
    for (std::size_t i = 0; i < kKeyDigits; ++i) digits[i] = digit_of(secret.view(), i);
    for (std::size_t i = 0; i < kCheckDigits; ++i)
        digits[kKeyDigits + i] = digit_of(check.view(), i);
}

bool is_ignored(char c) {
    return c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n';
}

/// The digit's value, or 32 when it is none.
std::size_t value_of(char c) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == 'O') c = '0';
    if (c == 'I' || c == 'L') c = '1';
    const std::size_t value = kAlphabet.find(c);
    return value == std::string_view::npos ? kAlphabet.size() : value;
}

}  // namespace

RecoveryKey recovery_key_from(const SecretKey& secret) {
    WipedDigits wiped;
    write_digits(secret, wiped.digits);
    RecoveryKey key;
    key.text.reserve(kDigits + kDigits / kGroupDigits);
    for (std::size_t i = 0; i < kDigits; ++i) {
        if (i > 0 && i % kGroupDigits == 0) key.text.push_back('-');
        key.text.push_back(kAlphabet[wiped.digits[i]]);
    }
    return key;
}

Result<SecretKey> parse_recovery_key(std::string_view text) {
    WipedDigits given;
    std::size_t count = 0;
    for (const char c : text) {
        if (is_ignored(c)) continue;
        const std::size_t value = value_of(c);
        if (value == kAlphabet.size())
            return Error(Errc::kInvalid,
                         fmt::format("the recovery key has a character in group {} that cannot "
                                     "stand there; it is written with digits and letters without U",
                                     count / kGroupDigits + 1));
        if (count < kDigits) given.digits[count] = static_cast<std::uint8_t>(value);
        ++count;
    }
    if (count != kDigits)
        return Error(Errc::kInvalid,
                     fmt::format("the recovery key has {} characters instead of {} (14 groups of "
                                 "four); type all of it",
                                 count, kDigits));

    std::array<std::byte, kKeyBytes> bytes{};
    for (std::size_t bit = 0; bit < kKeyBytes * 8; ++bit) {
        const unsigned set = given.digits[bit / 5] >> (4 - bit % 5) & 1u;
        bytes[bit / 8] |= static_cast<std::byte>(set << (7 - bit % 8));
    }
    SecretKey secret = SecretKey::from(bytes);
    wipe(bytes);
    WipedDigits expected;
    write_digits(secret, expected.digits);
    if (!equal_in_constant_time(std::as_bytes(std::span(given.digits)),
                                std::as_bytes(std::span(expected.digits))))
        return Error(Errc::kInvalid,
                     "the recovery key is mistyped (its checksum does not match); compare it with "
                     "the print, group by group");
    return secret;
}

}  // namespace reelfs::crypto
