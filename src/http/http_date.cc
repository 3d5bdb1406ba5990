#include "http/http_date.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "http/text.h"
#include "reelfs/base/clock.h"

namespace reelfs::http {

namespace {

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Civil {
    std::chrono::year_month_day day;
    std::chrono::hh_mm_ss<std::chrono::seconds> time;
    unsigned weekday;
};

Civil civil_of(std::int64_t seconds) {
    const std::chrono::sys_seconds instant{std::chrono::seconds{seconds}};
    const auto day = std::chrono::floor<std::chrono::days>(instant);
    return {std::chrono::year_month_day{day}, std::chrono::hh_mm_ss{instant - day},
            std::chrono::weekday{day}.c_encoding()};
}

/// Reads a date left to right; any mismatch makes the whole of it fail.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool ok() const { return ok_ && rest_.empty(); }
    void literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) return fail();
        rest_.remove_prefix(expected.size());
    }
    int number(std::size_t digits) {
        const auto value = parse_decimal(rest_.substr(0, digits));
        if (rest_.size() < digits || !value) return fail(), 0;
        rest_.remove_prefix(digits);
        return static_cast<int>(*value);
    }
    /// asctime's day: two places, blank-padded.
    int padded_number() {
        if (!rest_.starts_with(' ')) return number(2);
        rest_.remove_prefix(1);
        return number(1);
    }
    int month() {
        for (std::size_t i = 0; i < kMonths.size(); ++i) {
            if (!rest_.starts_with(kMonths[i])) continue;
            rest_.remove_prefix(3);
            return static_cast<int>(i) + 1;
        }
        return fail(), 1;
    }

  private:
    void fail() { ok_ = false; }
    std::string_view rest_;
    bool ok_ = true;
};

struct Parts {
    int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
};

void scan_time(Scanner& scan, Parts& parts) {
    parts.hour = scan.number(2);
    scan.literal(":");
    parts.minute = scan.number(2);
    scan.literal(":");
    parts.second = scan.number(2);
}

std::optional<std::int64_t> seconds_of(const Parts& parts) {
    const std::chrono::year_month_day day{std::chrono::year{parts.year},
                                          std::chrono::month{static_cast<unsigned>(parts.month)},
                                          std::chrono::day{static_cast<unsigned>(parts.day)}};
    if (!day.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
    const std::chrono::sys_seconds instant =
        std::chrono::sys_days{day} + std::chrono::hours{parts.hour} +
        std::chrono::minutes{parts.minute} + std::chrono::seconds{parts.second};
    return instant.time_since_epoch().count();
}

}  // namespace

std::string format_http_date(std::int64_t seconds) {
    const Civil civil = civil_of(seconds);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[civil.weekday],
                       static_cast<unsigned>(civil.day.day()),
                       kMonths[static_cast<unsigned>(civil.day.month()) - 1],
                       static_cast<int>(civil.day.year()), civil.time.hours().count(),
                       civil.time.minutes().count(), civil.time.seconds().count());
}

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_seconds) {
    const std::size_t comma = text.find(',');
    Parts parts;
    if (comma == 3) {  // Sun, 06 Nov 1994 08:49:37 GMT
        Scanner scan(text.substr(3));
        scan.literal(", ");
        parts.day = scan.number(2);
        scan.literal(" ");
        parts.month = scan.month();
        scan.literal(" ");
        parts.year = scan.number(4);
        scan.literal(" ");
        scan_time(scan, parts);
        scan.literal(" GMT");
        return scan.ok() ? seconds_of(parts) : std::nullopt;
    }
    if (comma != std::string_view::npos) {  // Sunday, 06-Nov-94 08:49:37 GMT
        Scanner scan(text.substr(comma));
        scan.literal(", ");
        parts.day = scan.number(2);
        scan.literal("-");
        parts.month = scan.month();
        scan.literal("-");
        const int short_year = scan.number(2);
        scan.literal(" ");
        scan_time(scan, parts);
        scan.literal(" GMT");
        const int this_year = static_cast<int>(civil_of(now_seconds).day.year());
        parts.year = this_year - this_year % 100 + short_year;
        if (parts.year > this_year + 50) parts.year -= 100;
        return scan.ok() ? seconds_of(parts) : std::nullopt;
    }
    if (text.size() < 4) return std::nullopt;
    Scanner scan(text.substr(3));  // Sun Nov  6 08:49:37 1994
    scan.literal(" ");
    parts.month = scan.month();
    scan.literal(" ");
    parts.day = scan.padded_number();
    scan.literal(" ");
    scan_time(scan, parts);
    scan.literal(" ");
    parts.year = scan.number(4);
    return scan.ok() ? seconds_of(parts) : std::nullopt;
}

std::string format_iso_date(std::int64_t ns) {
    const Timestamp time{ns};
    const Civil civil = civil_of(time.seconds());
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                       static_cast<int>(civil.day.year()), static_cast<unsigned>(civil.day.month()),
                       static_cast<unsigned>(civil.day.day()), civil.time.hours().count(),
                       civil.time.minutes().count(), civil.time.seconds().count(),
                       time.nanosecond_part() / 1'000'000);
}

}  // namespace reelfs::http
