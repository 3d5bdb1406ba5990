// The gate: the one reader of a request's head. What it lets through is unambiguous to every HTTP
// implementation in front of us, so that no proxy and we can disagree on where a request ends
// (request smuggling). It parses as well, because a second parser behind it could read the same
// bytes differently.
//
// Refused, after which the connection closes: a Transfer-Encoding other than exactly one `chunked`,
// or together with Content-Length, or under HTTP/1.0; a Content-Length repeated or not a plain
// number; not exactly one Host; a folded line; blanks before a colon; CR, LF or NUL where they do
// not belong; a control byte, a byte above 127 or `#` in the target; an absolute target for another
// host than Host.
//
// Pure functions over bytes: no state, any thread. tests/fuzz/request_gate_fuzz.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace reelfs::http {

/// A request's head, as views into the bytes that were checked.
struct RequestHead {
    struct Field {
        std::string_view name;
        std::string_view value;  // trimmed
    };

    std::string_view method;
    std::string_view target;  // origin-form ("/a?b"), or "*"
    int minor_version = 1;    // HTTP/1.0 or HTTP/1.1
    std::string_view host;    // as received, with its port
    std::vector<Field> fields;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;

    bool has_body() const { return chunked || content_length.value_or(0) > 0; }
    /// The value of a field that may stand once; nothing when it is absent or repeated.
    std::optional<std::string_view> single(std::string_view name) const;
    bool has(std::string_view name) const;
};

struct Refusal {
    int status = 400;
    std::string_view reason;  // for a person; static text
};

/// Where the head at the front of `bytes` ends, seen before it is parsed.
struct HeadExtent {
    std::size_t length = 0;  // including the empty line; 0: more bytes are needed
    std::optional<Refusal> refusal;
};
/// `scanned`: how many bytes an earlier call has looked at. Tells at once what can never become a
/// head (a TLS handshake, a bare LF), and a target or a head beyond its limit.
HeadExtent find_head(std::string_view bytes, std::size_t scanned);

/// Checks and parses one whole head, ending in the empty line. `head` keeps its memory between
/// calls. On refusal `head` holds nothing to rely on.
std::optional<Refusal> check_head(std::string_view bytes, RequestHead& head);

}  // namespace reelfs::http
