#include "http/request_gate.h"

#include <algorithm>

#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

constexpr std::string_view kLineEnd = "\r\n";

constexpr bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}
constexpr bool is_eight_bit(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

/// Takes one line off `rest`, without its CRLF. `rest` ends in CRLF.
std::string_view next_line(std::string_view& rest) {
    const std::size_t end = rest.find(kLineEnd);
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + kLineEnd.size());
    return line;
}

std::optional<Refusal> check_target(std::string_view target) {
    if (target.size() > limits::http_target_bytes_max)
        return Refusal{414, "the request target is too long"};
    for (char c : target) {
        if (is_control(c) || is_eight_bit(c) || c == '#' || c == ' ')
            return Refusal{400, "the request target holds a byte that must be percent-encoded"};
    }
    return std::nullopt;
}

std::optional<Refusal> parse_request_line(std::string_view line, RequestHead& head) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return Refusal{400, "the request line is not METHOD SP TARGET SP VERSION"};
    head.method = line.substr(0, first);
    head.target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(head.method) || head.method.size() > 32)
        return Refusal{400, "the method is not a token"};
    if (!version.starts_with("HTTP/") || version.size() != 8 || !is_digit(version[5]) ||
        version[6] != '.' || !is_digit(version[7]))
        return Refusal{400, "the protocol version is malformed"};
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return Refusal{505, "this server speaks HTTP/1.1 and HTTP/1.0"};
    head.minor_version = version.back() - '0';
    return check_target(head.target);
}

std::optional<Refusal> parse_field(std::string_view line, RequestHead& head) {
    if (line.front() == ' ' || line.front() == '\t') return Refusal{400, "a folded header line"};
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return Refusal{400, "a header line is not NAME: VALUE"};
    const std::string_view value = trimmed(line.substr(colon + 1));
    for (char c : value)
        if (is_control(c) && c != '\t') return Refusal{400, "a control byte in a header value"};
    head.fields.push_back({line.substr(0, colon), value});
    return std::nullopt;
}

/// uri-host [ ":" port ], without its finer grammar: nothing that could be read as something else.
bool is_host(std::string_view host) {
    return std::all_of(host.begin(), host.end(), [](char c) {
        return is_digit(c) || is_alpha(c) ||
               std::string_view("-._~!$&'()*+,;=%[]:").find(c) != std::string_view::npos;
    });
}

/// What all Connection fields of a head ask for; `close` wins.
struct ConnectionOptions {
    bool close = false;
    bool keep_alive = false;
    void read(std::string_view options) {
        while (!options.empty()) {
            const std::string_view option = next_element(options);
            close = close || equal_ignoring_case(option, "close");
            keep_alive = keep_alive || equal_ignoring_case(option, "keep-alive");
        }
    }
};

/// The fields that decide where the request ends and whom it is for.
std::optional<Refusal> read_framing(RequestHead& head) {
    int hosts = 0, lengths = 0, encodings = 0;
    ConnectionOptions connection;
    for (const RequestHead::Field& field : head.fields) {
        if (equal_ignoring_case(field.name, "host")) {
            ++hosts;
            head.host = field.value;
        } else if (equal_ignoring_case(field.name, "content-length")) {
            ++lengths;
            const auto length = parse_decimal(field.value);
            if (!length || *length == UINT64_MAX || field.value.size() > 20)
                return Refusal{400, "Content-Length is not a number"};
            head.content_length = *length;
        } else if (equal_ignoring_case(field.name, "transfer-encoding")) {
            ++encodings;
            if (!equal_ignoring_case(field.value, "chunked"))
                return Refusal{400, "a Transfer-Encoding other than chunked"};
            head.chunked = true;
        } else if (equal_ignoring_case(field.name, "connection")) {
            connection.read(field.value);
        }
    }
    head.keep_alive = !connection.close && (head.minor_version >= 1 || connection.keep_alive);
    if (hosts != 1) return Refusal{400, "not exactly one Host"};
    if (!is_host(head.host)) return Refusal{400, "Host is malformed"};
    if (lengths > 1) return Refusal{400, "Content-Length is repeated"};
    if (encodings > 1) return Refusal{400, "Transfer-Encoding is repeated"};
    if (encodings > 0 && lengths > 0)
        return Refusal{400, "both Transfer-Encoding and Content-Length"};
    if (encodings > 0 && head.minor_version == 0)
        return Refusal{400, "Transfer-Encoding under HTTP/1.0"};
    return std::nullopt;
}

/// RFC 9112 section 3.2: origin-form; absolute-form becomes it; "*" for OPTIONS.
std::optional<Refusal> settle_target(RequestHead& head) {
    if (head.target.starts_with('/')) return std::nullopt;
    if (head.target == "*" && head.method == "OPTIONS") return std::nullopt;
    // Either scheme: a proxy that ends TLS in front of us forwards what its peer asked.
    std::string_view rest = head.target;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!equal_ignoring_case(head.target.substr(0, scheme.size()), scheme)) continue;
        rest.remove_prefix(scheme.size());
        break;
    }
    if (rest.size() == head.target.size()) return Refusal{400, "the request target is not a path"};
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    rest.remove_prefix(authority.size());
    if (authority.empty() || !equal_ignoring_case(authority, head.host))
        return Refusal{400, "the request target names another host than Host"};
    if (!rest.starts_with('/')) return Refusal{400, "the request target has no path"};
    head.target = rest;
    return std::nullopt;
}

}  // namespace

std::optional<std::string_view> RequestHead::single(std::string_view name) const {
    std::optional<std::string_view> found;
    for (const Field& field : fields) {
        if (!equal_ignoring_case(field.name, name)) continue;
        if (found) return std::nullopt;
        found = field.value;
    }
    return found;
}

bool RequestHead::has(std::string_view name) const {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const Field& field) { return equal_ignoring_case(field.name, name); });
}

HeadExtent find_head(std::string_view bytes, std::size_t scanned) {
    if (!bytes.empty() && !is_token_char(bytes.front()))
        return {0, Refusal{400, "this is not HTTP"}};
    // An LF decides something only together with the byte before it and the one after next.
    std::size_t from = scanned > 3 ? scanned - 3 : 0;
    while (true) {
        const std::size_t lf = bytes.find('\n', from);
        if (lf == std::string_view::npos) break;
        if (lf == 0 || bytes[lf - 1] != '\r') return {0, Refusal{400, "a line ends in a bare LF"}};
        if (lf + 1 > limits::http_head_bytes_max) break;
        if (lf >= 3 && bytes[lf - 2] == '\n' && bytes[lf - 3] == '\r') return {lf + 1, {}};
        from = lf + 1;
    }
    if (bytes.size() < limits::http_head_bytes_max) return {};
    const bool line_ended = bytes.find('\n') < limits::http_head_bytes_max;
    return {0, line_ended ? Refusal{431, "the header fields are too long"}
                          : Refusal{414, "the request target is too long"}};
}

std::optional<Refusal> check_head(std::string_view bytes, RequestHead& head) {
    std::vector<RequestHead::Field> fields = std::move(head.fields);
    fields.clear();
    head = RequestHead{};
    head.fields = std::move(fields);
    if (bytes.size() > limits::http_head_bytes_max)
        return Refusal{431, "the header fields are too long"};
    if (!bytes.ends_with("\r\n\r\n")) return Refusal{400, "the head has no end"};
    bytes.remove_suffix(kLineEnd.size());
    if (auto refusal = parse_request_line(next_line(bytes), head)) return refusal;
    while (!bytes.empty()) {
        const std::string_view line = next_line(bytes);
        if (line.empty()) return Refusal{400, "an empty line within the head"};
        if (auto refusal = parse_field(line, head)) return refusal;
    }
    if (auto refusal = read_framing(head)) return refusal;
    return settle_target(head);
}

}  // namespace reelfs::http
