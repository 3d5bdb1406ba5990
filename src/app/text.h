// Numbers and times as people type and read them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reelfs/base/clock.h"
#include "reelfs/base/result.h"

namespace reelfs::app {

/// "65536", "64K", "64KiB", "1M": binary multiples, case ignored. kInvalid.
Result<std::uint64_t> parse_size(std::string_view text);

/// A size that is a power of two from 4 KiB to 1 MiB. kInvalid says so.
Result<std::uint32_t> parse_block_size(std::string_view text);

/// Octal permission bits, "0755". kInvalid.
Result<std::uint32_t> parse_mode(std::string_view text);

/// "90s", "45m", "12h", "7d" as seconds; "never" is 0. kInvalid.
Result<std::uint64_t> parse_lifetime(std::string_view text);

/// "12.3 GiB".
std::string format_size(std::uint64_t bytes);

/// "2026-03-04T05:06:07Z".
std::string format_time(Timestamp time);

}  // namespace reelfs::app
