#include "http/status.h"

#include <nlohmann/json.hpp>

namespace reelfs::http {

namespace {

std::string about(std::string_view sentence, std::string_view path) {
    std::string text(sentence);
    text.append(path);
    return text;
}

std::string_view type_of(int status) {
    switch (status) {
        case 401:
        case 403:
            return "AccessDeniedException";
        case 404:
            return "ObjectNotFoundException";
        case 405:
            return "MethodNotAllowedException";
        case 408:
            return "RequestTimeoutException";
        case 412:
            return "PreconditionFailedException";
        case 416:
            return "RequestedRangeNotSatisfiableException";
        case 500:
            return "InternalServerError";
        case 503:
            return "ServiceUnavailable";
        case 507:
            return "LimitExceededException";
        default:
            return "ValidationException";
    }
}

}  // namespace

Fault fault_of(Errc code, std::string_view path) {
    switch (code) {
        case Errc::kNotFound:
        case Errc::kNotDirectory:
        case Errc::kIsDirectory:
        case Errc::kLoop:
        case Errc::kStale:
        case Errc::kNoAttribute:
        case Errc::kNoData:
            return fault_of_status(404, about("there is no object at ", path));
        case Errc::kAccessDenied:
        case Errc::kNotPermitted:
            return fault_of_status(403, about("access denied: ", path));
        case Errc::kInvalid:
        case Errc::kNameTooLong:
        case Errc::kCrossDevice:
        case Errc::kTooManyLinks:
        case Errc::kTooBig:
        case Errc::kValueTooBig:
        case Errc::kRange:
        case Errc::kUnsupported:
        case Errc::kExists:
        case Errc::kNotEmpty:
            return fault_of_status(400, about("not possible here: ", path));
        case Errc::kQuota:
            return fault_of_status(507, "the container's quota is used up");
        case Errc::kNoSpace:
        case Errc::kReadOnly:
        case Errc::kBusy:
        case Errc::kNoMemory:
        case Errc::kCancelled:
        case Errc::kTimeout:
            return fault_of_status(503, "the server cannot do this now; try again");
        case Errc::kBadHandle:
        case Errc::kIo:
        case Errc::kCorrupt:
        case Errc::kWrongKey:
        case Errc::kNewerFormat:
            return fault_of_status(500, "internal error; the server's log says more");
    }
    return fault_of_status(500, "internal error; the server's log says more");
}

Fault container_not_found(std::string_view name) {
    return {404, "ContainerNotFoundException", about("there is no container named ", name)};
}

Fault fault_of_status(int status, std::string_view message) {
    return {status, type_of(status), std::string(message)};
}

std::string error_json(const Fault& fault) {
    using Json = nlohmann::json;
    const Json body{{"Code", std::string(fault.type)}, {"Message", fault.message}};
    return body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 206:
            return "Partial Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 412:
            return "Precondition Failed";
        case 414:
            return "URI Too Long";
        case 416:
            return "Range Not Satisfiable";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return "Unknown";
    }
}

}  // namespace reelfs::http
