#include "app/text.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <ctime>
#include <limits>

#include "reelfs/model/limits.h"

namespace reelfs::app {

Result<std::uint64_t> parse_size(std::string_view text) {
    const Error refused(
        Errc::kInvalid,
        fmt::format("\"{}\" is no size; write bytes or a number with K, M or G", text));
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return refused;
    std::string unit(end, text.data() + text.size());
    for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    unsigned shift = 0;
    if (unit == "K" || unit == "KIB" || unit == "KB")
        shift = 10;
    else if (unit == "M" || unit == "MIB" || unit == "MB")
        shift = 20;
    else if (unit == "G" || unit == "GIB" || unit == "GB")
        shift = 30;
    else if (!unit.empty() && unit != "B")
        return refused;
    if (number > std::numeric_limits<std::uint64_t>::max() >> shift) return refused;
    return number << shift;
}

Result<std::uint32_t> parse_block_size(std::string_view text) {
    RF_TRY(std::uint64_t bytes, parse_size(text));
    if (!std::has_single_bit(bytes) || bytes < std::uint64_t{1} << limits::block_shift_min ||
        bytes > std::uint64_t{1} << limits::block_shift_max)
        return Error(Errc::kInvalid,
                     fmt::format("block size {} is not a power of two from 4K to 1M", text));
    return static_cast<std::uint32_t>(bytes);
}

Result<std::uint32_t> parse_mode(std::string_view text) {
    std::uint32_t mode = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc() || end != text.data() + text.size() || mode > 07777)
        return Error(
            Errc::kInvalid,
            fmt::format("\"{}\" is no mode; write octal permission bits, like 0755", text));
    return mode;
}

Result<std::uint64_t> parse_lifetime(std::string_view text) {
    if (text == "never") return std::uint64_t{0};
    constexpr std::uint64_t kLongest = 100ull * 366 * 86'400;
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::uint64_t seconds = unit == "s"   ? 1
                                  : unit == "m" ? 60
                                  : unit == "h" ? 3'600
                                  : unit == "d" ? 86'400
                                                : 0;
    if (error != std::errc() || seconds == 0 || number == 0 || number > kLongest / seconds)
        return Error(Errc::kInvalid,
                     fmt::format("\"{}\" is no lifetime; write a number with s, m, h or d, like "
                                 "12h, or never",
                                 text));
    return number * seconds;
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string format_time(Timestamp time) {
    const std::time_t seconds = time.seconds();
    std::tm parts{};
    if (::gmtime_r(&seconds, &parts) == nullptr) return "?";
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace reelfs::app
