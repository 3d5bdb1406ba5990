#include "http/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <memory>

#include "http/http_date.h"
#include "http/sigv4_canonical.h"
#include "http/text.h"
#include "reelfs/crypto/secret.h"
#include "reelfs/model/limits.h"

namespace reelfs::http::sigv4 {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kService = "mediastore";
constexpr std::string_view kScopeEnd = "aws4_request";
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kHashField = "x-amz-content-sha256";

Refused incomplete(std::string message) {
    return {400, "IncompleteSignature", std::move(message)};
}
Refused mismatch(std::string message) {
    return {403, "InvalidSignatureException", std::move(message)};
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded.push_back(text[i]);
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0) return std::nullopt;
        decoded.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return decoded;
}

std::optional<crypto::Digest> parse_digest(std::string_view hex) {
    crypto::Digest digest{};
    if (hex.size() != 2 * digest.size()) return std::nullopt;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        const int high = hex_digit(hex[2 * i]);
        const int low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest[i] = static_cast<std::byte>(high * 16 + low);
    }
    return digest;
}

/// The claim as text, before its parts are checked.
struct Words {
    std::string credential;
    std::string signed_headers;
    std::string signature;
    std::string time;
    std::optional<std::string> expires;
    bool has_token = false;
};

/// A repeated element, or one that is none of ours, makes the whole malformed.
std::variant<Words, Refused> words_of_header(const RequestHead& head, std::string_view value) {
    Words words;
    value.remove_prefix(kAlgorithm.size());
    int credentials = 0, names = 0, signatures = 0;
    while (!value.empty()) {
        const std::string_view element = next_element(value);
        const std::size_t equals = std::min(element.find('='), element.size());
        const std::string_view name = element.substr(0, equals);
        const std::string_view word = element.substr(std::min(equals + 1, element.size()));
        if (name == "Credential" && ++credentials == 1) {
            words.credential = word;
        } else if (name == "SignedHeaders" && ++names == 1) {
            words.signed_headers = word;
        } else if (name == "Signature" && ++signatures == 1) {
            words.signature = word;
        } else {
            return incomplete(
                "Authorization is not AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., "
                "Signature=...");
        }
    }
    if (credentials == 0 || names == 0 || signatures == 0)
        return incomplete("Authorization lacks Credential, SignedHeaders or Signature");
    if (head.has("x-amz-date"))
        words.time = head.single("x-amz-date").value_or("");
    else if (const auto date = head.single("date"))
        words.time = *date;
    words.has_token = head.has("x-amz-security-token");
    return words;
}

struct QueryWord {
    std::string_view key;
    std::string Words::*word;
    int seen = 0;
};

std::variant<Words, Refused> words_of_query(const RequestHead& head, std::string_view query) {
    Words words;
    std::string algorithm, expires, token;
    int expiries = 0;
    std::array known{QueryWord{"X-Amz-Credential", &Words::credential},
                     QueryWord{"X-Amz-SignedHeaders", &Words::signed_headers},
                     QueryWord{"X-Amz-Signature", &Words::signature},
                     QueryWord{"X-Amz-Date", &Words::time}};
    int algorithms = 0;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const std::string_view key = pair.substr(0, equals);
        if (!key.starts_with("X-Amz-")) continue;
        auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
        if (!value) return incomplete("a % in the query is not followed by two hex digits");
        if (key == "X-Amz-Algorithm") {
            ++algorithms;
            algorithm = *std::move(value);
        } else if (key == "X-Amz-Expires") {
            ++expiries;
            words.expires = *std::move(value);
        } else if (key == "X-Amz-Security-Token") {
            words.has_token = true;
        } else {
            for (QueryWord& one : known) {
                if (one.key != key) continue;
                ++one.seen;
                words.*one.word = *std::move(value);
                break;
            }
        }
    }
    const bool once =
        algorithms == 1 && expiries == 1 &&
        std::all_of(known.begin(), known.end(), [](const QueryWord& one) { return one.seen == 1; });
    if (!once || algorithm != kAlgorithm)
        return incomplete(
            "a presigned request has X-Amz-Algorithm=AWS4-HMAC-SHA256, X-Amz-Credential, "
            "X-Amz-Date, X-Amz-Expires, X-Amz-SignedHeaders and X-Amz-Signature, each once");
    words.has_token = words.has_token || head.has("x-amz-security-token");
    return words;
}

std::vector<std::string> split_names(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty() && names.size() <= limits::http_signed_headers_max) {
        const std::size_t end = std::min(list.find(';'), list.size());
        std::string name(list.substr(0, end));
        std::transform(name.begin(), name.end(), name.begin(), to_lower);
        names.push_back(std::move(name));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return names;
}

std::string amz_time_of(std::int64_t seconds) {
    std::string text = format_iso_date(seconds * 1'000'000'000);  // 2013-05-24T00:00:00.000Z
    text.resize(text.find('.'));
    std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
    return text + "Z";
}

/// Fills time and checks it. The time of a header may be an HTTP date.
std::optional<Refused> check_time(const Words& words, Claim& claim, Timestamp now) {
    auto seconds = parse_amz_time(words.time);
    if (!seconds && !claim.presigned) seconds = parse_http_date(words.time, now.seconds());
    // Beyond 2262 nanoseconds would overflow.
    if (!seconds || *seconds < 0 ||
        *seconds > std::numeric_limits<std::int64_t>::max() / 1'000'000'000)
        return incomplete("the request needs a time: X-Amz-Date as yyyymmddThhmmssZ, or Date");
    claim.time = amz_time_of(*seconds);
    const std::int64_t ahead = *seconds - now.seconds();
    const Refused skewed{400, "RequestExpired",
                         "the request's time is more than 15 minutes off the server's; set the "
                         "clock, or sign again"};
    if (ahead > limits::http_clock_skew_seconds_max) return skewed;
    if (!claim.presigned) {
        if (-ahead > limits::http_clock_skew_seconds_max) return skewed;
        return std::nullopt;
    }
    const auto expires = parse_decimal(*words.expires);
    if (!expires || *expires > static_cast<std::uint64_t>(limits::http_presigned_seconds_max))
        return incomplete("X-Amz-Expires is not a number of seconds up to 604800");
    if (-ahead > static_cast<std::int64_t>(*expires))
        return Refused{400, "RequestExpired", "the presigned URL has expired; sign a new one"};
    return std::nullopt;
}

/// <access key id>/<yyyymmdd>/<region>/mediastore/aws4_request
std::optional<Refused> check_scope(const Words& words, Claim& claim, std::string_view region) {
    std::vector<std::string_view> parts;
    std::string_view rest = words.credential;
    while (parts.size() < 6) {
        const std::size_t slash = rest.find('/');
        parts.push_back(rest.substr(0, slash));
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    if (parts.size() != 5 || parts[0].empty())
        return incomplete("Credential is not KEY/yyyymmdd/REGION/mediastore/aws4_request");
    claim.access_key_id = parts[0];
    claim.scope = words.credential.substr(parts[0].size() + 1);
    if (parts[2] != region)
        return mismatch(fmt::format("the credential should be scoped to the region {}", region));
    if (parts[3] != kService)
        return mismatch("the credential should be scoped to the service mediastore");
    if (parts[4] != kScopeEnd) return mismatch("the credential's scope should end in aws4_request");
    if (parts[1] != std::string_view(claim.time).substr(0, 8))
        return mismatch("the date of the credential's scope is not that of the request");
    return std::nullopt;
}

std::optional<Refused> check_signed_names(const RequestHead& head, const Words& words,
                                          Claim& claim) {
    claim.signed_headers = split_names(words.signed_headers);
    const auto is_signed = [&](std::string_view name) {
        return std::find(claim.signed_headers.begin(), claim.signed_headers.end(), name) !=
               claim.signed_headers.end();
    };
    if (claim.signed_headers.size() > limits::http_signed_headers_max)
        return incomplete("too many signed headers");
    if (!is_signed("host")) return incomplete("the signature does not cover Host");
    // Others may have been added on the way by a proxy.
    if (!claim.presigned)
        for (std::string_view name : {kHashField, std::string_view("x-amz-date")})
            if (head.has(name) && !is_signed(name))
                return mismatch(fmt::format("{} is sent and not signed", name));
    return std::nullopt;
}

/// A signature that can be checked once the hash of the payload is known. Wipes its key.
class Expected {
  public:
    Expected(const RequestHead& head, const Claim& claim, std::string_view secret)
        : key_(signing_key(secret, claim.scope)),
          intro_(fmt::format("{}\n{}\n{}\n", kAlgorithm, claim.time, claim.scope)),
          signature_(claim.signature) {
        const RawTarget target = split_target(head.target);
        const std::string tail = fmt::format("\n{}\n{}\n{}\n", canonical_query(target.query),
                                             canonical_headers(head, claim.signed_headers),
                                             fmt::join(claim.signed_headers, ";"));
        for (const std::string& path : canonical_paths(target.path))
            requests_.push_back(fmt::format("{}\n{}{}", head.method, path, tail));
    }
    ~Expected() { crypto::wipe(key_); }
    Expected(const Expected&) = delete;
    Expected& operator=(const Expected&) = delete;

    bool holds_with(std::string_view payload_hash) const {
        bool found = false;
        for (const std::string& request : requests_) {
            const crypto::Digest hashed =
                crypto::sha256(bytes_of(request + std::string(payload_hash)));
            const crypto::Digest signature =
                crypto::hmac_sha256(key_, bytes_of(intro_ + to_hex(hashed)));
            found |= crypto::equal_in_constant_time(signature, signature_);
        }
        return found;
    }

  private:
    crypto::Digest key_;
    const std::string intro_;
    const crypto::Digest signature_;
    std::vector<std::string> requests_;  // up to the payload hash, one for each form of the path
};

bool takes_body(const RequestHead& head) {
    return head.method == "PUT" || head.method == "POST";
}

Refused does_not_match() {
    return mismatch(
        "The request signature we calculated does not match the signature you provided. Check the "
        "secret access key and the signing method");
}

using Outcome = std::variant<PayloadRule, Refused>;

/// The field's value: UNSIGNED-PAYLOAD, or the body's hash.
Outcome verify_stated(const RequestHead& head, const Expected& expected, std::string_view stated) {
    if (!expected.holds_with(stated)) return does_not_match();
    if (stated == kUnsigned || !takes_body(head)) return PayloadRule();
    const auto digest = parse_digest(stated);
    if (*digest == crypto::sha256({}) && head.content_length.value_or(0) > 0)
        return mismatch("x-amz-content-sha256 is that of an empty body, and a body follows");
    return PayloadRule::exactly(*digest);
}

/// The request's body decides: nothing is known of it but that it is there.
Outcome verify_later(const RequestHead& head, std::shared_ptr<const Expected> expected) {
    if (!takes_body(head) || !head.has_body()) return does_not_match();
    return PayloadRule::when([expected = std::move(expected)](const crypto::Digest& body) {
        return expected->holds_with(to_hex(body));
    });
}

}  // namespace

std::optional<std::int64_t> parse_amz_time(std::string_view text) {
    if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
    const auto number = [&](std::size_t from, std::size_t count) {
        return parse_decimal(text.substr(from, count));
    };
    const auto year = number(0, 4), month = number(4, 2), day = number(6, 2);
    const auto hour = number(9, 2), minute = number(11, 2), second = number(13, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    const std::chrono::sys_days days(date);
    return days.time_since_epoch().count() * std::int64_t{86'400} +
           static_cast<std::int64_t>(*hour * 3'600 + *minute * 60 + *second);
}

crypto::Digest signing_key(std::string_view secret, std::string_view scope) {
    std::string seed;
    seed.reserve(4 + secret.size());
    seed.append("AWS4");
    seed.append(secret);
    crypto::Digest key{};
    Bytes previous = bytes_of(seed);
    while (!scope.empty()) {
        const std::size_t end = std::min(scope.find('/'), scope.size());
        key = crypto::hmac_sha256(previous, bytes_of(scope.substr(0, end)));
        previous = key;
        scope.remove_prefix(std::min(end + 1, scope.size()));
    }
    crypto::wipe(std::as_writable_bytes(std::span(seed)));
    return key;
}

std::variant<std::monostate, Claim, Refused> parse(const RequestHead& head, std::string_view region,
                                                   Timestamp now) {
    const std::string_view query = split_target(head.target).query;
    const bool presigned =
        ("&" + std::string(query)).find("&X-Amz-Signature=") != std::string::npos;
    if (presigned && head.has("authorization"))
        return incomplete("give an Authorization header or a presigned query, not both");
    Claim claim;
    claim.presigned = presigned;
    std::variant<Words, Refused> taken;
    if (presigned) {
        taken = words_of_query(head, query);
    } else {
        const auto authorization = head.single("authorization");
        if (!authorization || !authorization->starts_with(kAlgorithm)) {
            if (("&" + std::string(query)).find("&X-Amz-Credential=") != std::string::npos)
                return Refused{403, "MissingAuthenticationTokenException",
                               "the query has X-Amz-Credential and no X-Amz-Signature"};
            return std::monostate();
        }
        taken = words_of_header(head, *authorization);
    }
    if (auto* refused = std::get_if<Refused>(&taken)) return std::move(*refused);
    const Words& words = std::get<Words>(taken);
    const auto signature = parse_digest(words.signature);
    if (!signature) return incomplete("Signature is not 64 hex digits");
    claim.signature = *signature;
    if (auto refused = check_time(words, claim, now)) return *std::move(refused);
    if (auto refused = check_scope(words, claim, region)) return *std::move(refused);
    if (auto refused = check_signed_names(head, words, claim)) return *std::move(refused);
    if (words.has_token)
        return Refused{403, "UnrecognizedClientException",
                       "this server issues no session tokens; unset AWS_SESSION_TOKEN"};
    if (head.has(kHashField)) {
        const std::string_view stated = head.single(kHashField).value_or("");
        if (stated != kUnsigned && !parse_digest(stated))
            return Refused{400, "ValidationException",
                           "x-amz-content-sha256 is neither UNSIGNED-PAYLOAD nor 64 hex digits"};
    }
    return claim;
}

Outcome verify(const RequestHead& head, const Claim& claim, std::string_view secret) {
    const auto expected = std::make_shared<const Expected>(head, claim, secret);
    const auto stated = head.single(kHashField);
    const std::string empty_hash = to_hex(crypto::sha256({}));
    if (!claim.presigned) {
        if (stated) return verify_stated(head, *expected, *stated);
        if (expected->holds_with(empty_hash)) {
            if (!takes_body(head)) return PayloadRule();
            if (head.content_length.value_or(0) > 0)
                return mismatch(
                    "the signature is over an empty body, and a body follows; sign and send "
                    "x-amz-content-sha256: UNSIGNED-PAYLOAD");
            return PayloadRule::exactly(crypto::sha256({}));
        }
        return verify_later(head, expected);
    }
    if (stated) {
        Outcome outcome = verify_stated(head, *expected, *stated);
        if (std::holds_alternative<PayloadRule>(outcome)) return outcome;
    }
    if (expected->holds_with(kUnsigned) || expected->holds_with(empty_hash)) return PayloadRule();
    return verify_later(head, expected);
}

}  // namespace reelfs::http::sigv4
