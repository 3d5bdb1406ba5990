#include "http/response.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace reelfs::http {

void Response::add(std::string_view name, std::string_view value) {
    fields.append(name).append(": ").append(value).append("\r\n");
}

void Response::add(std::string_view name, std::uint64_t value) {
    fmt::format_to(std::back_inserter(fields), "{}: {}\r\n", name, value);
}

std::uint64_t Response::content_length() const {
    std::uint64_t length = text.size() + after.size();
    for (const BodyPart& part : parts) length += part.before.size() + part.length;
    return length;
}

Response text_response(int status, std::string_view content_type, std::string text) {
    Response response;
    response.status = status;
    response.add("Content-Type", content_type);
    response.add("X-Content-Type-Options", "nosniff");
    response.text = std::move(text);
    return response;
}

Response error_response(const Fault& fault) {
    Response response = text_response(fault.status, "application/json", error_json(fault));
    response.add("x-amzn-ErrorType", fault.type);
    response.error = fault.type;
    if (fault.status == 503) response.add("Retry-After", "1");
    return response;
}

Response error_response(int status, std::string_view message) {
    return error_response(fault_of_status(status, message));
}

bool is_chunked(const Response& response, int minor_version) {
    return !response.has_length && response.status != 304 && minor_version >= 1;
}

std::string render_head(const Response& response, const Envelope& envelope) {
    std::string head;
    head.reserve(256 + response.fields.size());
    auto out = std::back_inserter(head);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                   reason_phrase(response.status), envelope.date);
    head += response.fields;
    if (is_chunked(response, envelope.minor_version)) {
        head += "Transfer-Encoding: chunked\r\n";
    } else if (response.has_length && response.status != 304) {
        fmt::format_to(out, "Content-Length: {}\r\n", response.content_length());
    }
    if (!envelope.keep_alive) {
        head += "Connection: close\r\n";
    } else if (envelope.minor_version == 0) {
        head += "Connection: keep-alive\r\n";
    }
    fmt::format_to(out, "x-amzn-RequestId: {}\r\n\r\n", envelope.request_id);
    return head;
}

}  // namespace reelfs::http
