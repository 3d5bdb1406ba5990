#include "http/object_response.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/conditions.h"
#include "http/dialect.h"
#include "http/http_date.h"
#include "http/mime.h"
#include "http/range.h"

namespace reelfs::http {

namespace {

std::string_view content_type_of(const ObjectFacts& object) {
    if (is_safe_field_value(object.delivery.content_type)) return object.delivery.content_type;
    if (is_safe_field_value(object.mime_type)) return object.mime_type;
    return mime_type_of(object.name);
}

bool is_etag_bare(EtagForm form, Dialect dialect) {
    if (form != EtagForm::kByDialect) return form == EtagForm::kBare;
    return dialect == Dialect::kMediaStore;
}

/// What 200, 206 and 304 share.
void add_validators(Response& response, const ObjectFacts& object, std::int64_t last_modified,
                    Dialect dialect) {
    if (const bool bare = is_etag_bare(object.delivery.etag, dialect); !object.etag.empty())
        response.add("ETag", bare ? object.etag : fmt::format("\"{}\"", object.etag));
    response.add("Last-Modified", format_http_date(last_modified));
    // What was stored always wins, then what the container's rules say. MediaStore's clients get
    // nothing that nobody said.
    if (is_safe_field_value(object.cache_control))
        response.add("Cache-Control", object.cache_control);
    else if (is_safe_field_value(object.delivery.cache_control))
        response.add("Cache-Control", object.delivery.cache_control);
    else if (is_manifest(object.name) && dialect == Dialect::kRfc9110)
        response.add("Cache-Control", kShortLived);
}

void add_representation(Response& response, std::string_view content_type) {
    response.add("Content-Type", content_type);
    response.add("Accept-Ranges", "bytes");
    response.add("X-Content-Type-Options", "nosniff");
}

std::string content_range(const ByteRange& range, const ObjectFacts& object) {
    if (object.growing) return fmt::format("bytes {}-{}/*", range.first, range.last);
    return fmt::format("bytes {}-{}/{}", range.first, range.last, object.size);
}

void set_part(Response& response, const ByteRange& range, const ObjectFacts& object) {
    response.status = 206;
    response.add("Content-Range", content_range(range, object));
    response.parts.push_back({"", range.first, range.length()});
}

/// multipart/byteranges. The boundary is made of the entity tag: random, and drawn after the
/// content was settled, so no content can hold it on purpose.
void set_multipart(Response& response, const std::vector<ByteRange>& ranges,
                   const ObjectFacts& object) {
    const std::string boundary = "reelfs-" + object.etag;
    response.status = 206;
    add_representation(response, "multipart/byteranges; boundary=" + boundary);
    for (const ByteRange& range : ranges) {
        response.parts.push_back(
            {fmt::format("{}--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
                         response.parts.empty() ? "" : "\r\n", boundary, content_type_of(object),
                         content_range(range, object)),
             range.first, range.length()});
    }
    response.after = fmt::format("\r\n--{}--\r\n", boundary);
}

Response unsatisfiable(const ObjectFacts& object) {
    Response response = error_response(416, "no byte of the range exists");
    // While it grows its length is nobody's to state.
    if (!object.growing) response.add("Content-Range", fmt::format("bytes */{}", object.size));
    return response;
}

Response respond_while_growing(std::string_view range_header, const ObjectFacts& object,
                               std::int64_t last_modified, Dialect dialect) {
    const GrowingRangeAnswer answer = answer_growing_range(range_header, object.size);
    if (answer.kind == GrowingRangeAnswer::Kind::kUnsatisfiable) return unsatisfiable(object);
    Response response;
    add_validators(response, object, last_modified, dialect);
    add_representation(response, content_type_of(object));
    if (answer.kind == GrowingRangeAnswer::Kind::kPart) {
        set_part(response, answer.range, object);
        return response;
    }
    response.has_length = false;
    response.follow_from = 0;
    if (answer.kind == GrowingRangeAnswer::Kind::kFollowFrom) {
        response.status = 206;
        response.add("Content-Range", content_range(answer.range, object));
        response.follow_from = answer.range.first;
    }
    return response;
}

Response respond_when_finished(std::string_view range_header, const ObjectFacts& object,
                               std::int64_t last_modified, Dialect dialect) {
    RangeAnswer answer = answer_range(range_header, object.size);
    if (dialect == Dialect::kMediaStore && range_header.find(',') != std::string_view::npos)
        answer = {};
    // Opened while it grew, finished since: it has no tag yet, so there is no boundary to trust.
    if (answer.ranges.size() > 1 && object.etag.empty()) answer = {};
    if (answer.kind == RangeAnswer::Kind::kUnsatisfiable) return unsatisfiable(object);
    Response response;
    add_validators(response, object, last_modified, dialect);
    if (answer.ranges.size() > 1) {
        set_multipart(response, answer.ranges, object);
        return response;
    }
    add_representation(response, content_type_of(object));
    if (answer.ranges.size() == 1) {
        set_part(response, answer.ranges.front(), object);
    } else if (object.size > 0) {
        response.parts.push_back({"", 0, object.size});
    }
    return response;
}

}  // namespace

Response respond_with_object(const RequestHead& head, const ObjectFacts& object, Timestamp now) {
    // An origin may not send a Last-Modified in the future (RFC 9110 section 8.8.2.1).
    const std::int64_t last_modified = std::min(object.modified.seconds(), now.seconds());
    Validators validators;
    if (!object.growing) validators = {object.etag, last_modified};
    const bool is_head = head.method == "HEAD";
    const Dialect dialect = dialect_of(head);
    const bool conditional = dialect == Dialect::kRfc9110;

    switch (conditional ? evaluate_conditions(head, validators, now.seconds())
                        : Verdict::kProceed) {
        case Verdict::kProceed:
            break;
        case Verdict::kNotModified: {
            Response response;
            response.status = 304;
            response.head_only = true;
            add_validators(response, object, last_modified, dialect);
            return response;
        }
        case Verdict::kPreconditionFailed: {
            Response response = error_response(412, "a precondition of the request does not hold");
            response.head_only = is_head;
            return response;
        }
    }
    std::string_view range_header;  // HEAD knows no Range
    const bool ranged = !is_head && (conditional || !object.growing);
    if (ranged && range_applies(head, validators, now.seconds()))
        range_header = head.single("range").value_or("");
    Response response = object.growing
                            ? respond_while_growing(range_header, object, last_modified, dialect)
                            : respond_when_finished(range_header, object, last_modified, dialect);
    response.head_only = is_head;
    return response;
}

}  // namespace reelfs::http
