#include "app/http_options.h"

#include <fmt/format.h>

#include <algorithm>

namespace reelfs::app {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

Result<std::optional<http::Endpoint>> endpoint_of(const std::string& text) {
    if (text.empty()) return std::optional<http::Endpoint>();
    RF_TRY(auto endpoint, http::parse_endpoint(text));
    return std::optional(endpoint);
}

/// ARNs could not be written otherwise.
Result<void> check_account(const std::string& account) {
    if (account.size() == 12 && std::all_of(account.begin(), account.end(), is_digit))
        return done();
    return Error(Errc::kInvalid, fmt::format("account \"{}\" is not 12 digits", account));
}

/// Words of letters, then a digit, with dashes between: us-west-2, us-gov-east-1.
Result<void> check_region(const std::string& region) {
    const std::size_t dash = region.rfind('-');
    const bool good = dash != std::string::npos && dash + 2 == region.size() &&
                      is_digit(region.back()) && is_lower(region.front()) &&
                      region.find("--") == std::string::npos && region.find('-') < dash &&
                      std::all_of(region.begin(), region.end() - 1,
                                  [](char c) { return is_lower(c) || c == '-'; });
    if (good) return done();
    return Error(Errc::kInvalid,
                 fmt::format("region \"{}\" does not look like us-west-2, and clients would refuse "
                             "ARNs with it",
                             region));
}

}  // namespace

Result<http::ServerOptions> server_options_of(const MountWords& words) {
    http::ServerOptions options;
    RF_TRY(options.http, endpoint_of(words.http));
    RF_TRY(options.https, endpoint_of(words.https));
    options.tls = {words.tls_certificate, words.tls_key};
    RF_TRY(options.admin, endpoint_of(words.admin));
    if (!words.admin_token_file.empty() && !options.admin)
        return Error(Errc::kInvalid, "an admin token protects nothing without --admin ADDR:PORT");
    RF_CHECK(check_region(words.region));
    RF_CHECK(check_account(words.account));
    options.account = words.account;
    if (!words.domain.empty()) {
        RF_TRY(options.domain, http::parse_domain(words.domain));
    }
    RF_TRY(options.trusted_proxies, http::parse_address_ranges(words.trusted_proxies));
    options.access_log = words.access_log;
    return options;
}

}  // namespace reelfs::app
