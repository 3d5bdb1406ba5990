// A response before it is on the wire: status, header fields, and where its body comes from. Pure
// values; the connection sends them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/status.h"

namespace reelfs::http {

/// A run of an object's bytes, with the text that goes in front of it (a multipart part's head).
struct BodyPart {
    std::string before;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

struct Response {
    int status = 200;
    std::string_view error;  // x-amzn-ErrorType, "" for none; static text
    std::string fields;      // "Name: value\r\n", without those that render_head adds

    // The body: text, or parts of an object, or (following) an object from an offset as it grows.
    std::string text;
    std::vector<BodyPart> parts;
    std::string after;  // the parts
    std::optional<std::uint64_t> follow_from;

    bool head_only = false;  // HEAD, 304: the fields describe a body that is not sent
    bool has_length = true;  // Content-Length is sent
    bool closes = false;     // the connection ends after it

    void add(std::string_view name, std::string_view value);
    void add(std::string_view name, std::uint64_t value);
    std::uint64_t content_length() const;
};

Response text_response(int status, std::string_view content_type, std::string text);
/// JSON body and x-amzn-ErrorType.
Response error_response(const Fault& fault);
Response error_response(int status, std::string_view message);

/// What differs per connection and moment.
struct Envelope {
    std::string_view date;        // HTTP-date
    std::string_view request_id;  // x-amzn-RequestId
    int minor_version = 1;        // of the request
    bool keep_alive = true;
};
/// Whether the body goes out in chunks: its length is unknown and the peer knows chunks.
bool is_chunked(const Response& response, int minor_version);
/// Status line and all fields, with the empty line.
std::string render_head(const Response& response, const Envelope& envelope);

}  // namespace reelfs::http
