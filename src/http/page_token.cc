#include "http/page_token.h"

#include <array>
#include <optional>

#include "reelfs/base/bytes.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kHeadBytes = 16;

std::string encoded(std::string_view bytes) {
    std::string text;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (held += 8; held >= 6; held -= 6) text.push_back(kAlphabet[bits >> (held - 6) & 63u]);
    }
    if (held > 0) text.push_back(kAlphabet[bits << (6 - held) & 63u]);
    return text;
}

std::optional<std::string> decoded(std::string_view text) {
    std::string bytes;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : text) {
        const std::size_t value = kAlphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes.push_back(static_cast<char>(bits >> held & 255u));
        }
    }
    if (encoded(bytes) != text) return std::nullopt;  // one form only
    return bytes;
}

/// FNV-1a.
std::uint64_t check_value(std::int64_t dies_at, std::string_view folder, std::string_view name) {
    std::uint64_t value = 0xcbf29ce484222325ull;
    const auto add = [&](std::string_view bytes) {
        for (const char c : bytes)
            value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    };
    add(std::to_string(dies_at));
    add("/");
    add(folder);
    add(std::string_view("\0", 1));
    add(name);
    return value;
}

}  // namespace

std::string make_page_token(std::string_view folder, std::string_view name,
                            std::int64_t now_seconds) {
    const std::int64_t dies_at = now_seconds + limits::page_token_seconds;
    std::array<std::byte, kHeadBytes> head;
    store_le(head.data(), dies_at);
    store_le(head.data() + 8, check_value(dies_at, folder, name));
    return encoded(std::string(text_of(head)).append(name));
}

Result<std::string> read_page_token(std::string_view token, std::string_view folder,
                                    std::int64_t now_seconds) {
    const auto bytes = decoded(token);
    if (!bytes || bytes->size() <= kHeadBytes)
        return Error(Errc::kInvalid, "NextToken is not one of this server's");
    const Bytes head = bytes_of(*bytes);
    const auto dies_at = load_le<std::int64_t>(head.data());
    std::string name = bytes->substr(kHeadBytes);
    if (load_le<std::uint64_t>(head.data() + 8) != check_value(dies_at, folder, name))
        return Error(Errc::kInvalid, "NextToken belongs to another folder");
    if (now_seconds > dies_at || dies_at > now_seconds + limits::page_token_seconds)
        return Error(Errc::kInvalid, "NextToken is too old: begin again");
    return name;
}

}  // namespace reelfs::http
