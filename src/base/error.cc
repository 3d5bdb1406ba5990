#include "reelfs/base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace reelfs {

std::string_view name_of(Errc code) {
    switch (code) {
        case Errc::kNotFound:
            return "not_found";
        case Errc::kExists:
            return "exists";
        case Errc::kNotDirectory:
            return "not_directory";
        case Errc::kIsDirectory:
            return "is_directory";
        case Errc::kNotEmpty:
            return "not_empty";
        case Errc::kNotPermitted:
            return "not_permitted";
        case Errc::kAccessDenied:
            return "access_denied";
        case Errc::kInvalid:
            return "invalid";
        case Errc::kNameTooLong:
            return "name_too_long";
        case Errc::kNoSpace:
            return "no_space";
        case Errc::kQuota:
            return "quota";
        case Errc::kReadOnly:
            return "read_only";
        case Errc::kCrossDevice:
            return "cross_device";
        case Errc::kTooManyLinks:
            return "too_many_links";
        case Errc::kTooBig:
            return "too_big";
        case Errc::kValueTooBig:
            return "value_too_big";
        case Errc::kRange:
            return "range";
        case Errc::kUnsupported:
            return "unsupported";
        case Errc::kNoAttribute:
            return "no_attribute";
        case Errc::kNoData:
            return "no_data";
        case Errc::kBusy:
            return "busy";
        case Errc::kLoop:
            return "loop";
        case Errc::kStale:
            return "stale";
        case Errc::kNoMemory:
            return "no_memory";
        case Errc::kCancelled:
            return "cancelled";
        case Errc::kTimeout:
            return "timeout";
        case Errc::kBadHandle:
            return "bad_handle";
        case Errc::kIo:
            return "io";
        case Errc::kCorrupt:
            return "corrupt";
        case Errc::kWrongKey:
            return "wrong_key";
        case Errc::kNewerFormat:
            return "newer_format";
    }
    return "unknown";
}

namespace {

Errc code_of(int error_number) {
    switch (error_number) {
        case ENOENT:
            return Errc::kNotFound;
        case EEXIST:
            return Errc::kExists;
        case ENOTDIR:
            return Errc::kNotDirectory;
        case EISDIR:
            return Errc::kIsDirectory;
        case ENOTEMPTY:
            return Errc::kNotEmpty;
        case EPERM:
            return Errc::kNotPermitted;
        case EACCES:
            return Errc::kAccessDenied;
        case EINVAL:
            return Errc::kInvalid;
        case ENAMETOOLONG:
            return Errc::kNameTooLong;
        case ENOSPC:
            return Errc::kNoSpace;
        case EDQUOT:
            return Errc::kQuota;
        case EROFS:
            return Errc::kReadOnly;
        case EXDEV:
            return Errc::kCrossDevice;
        case EMLINK:
            return Errc::kTooManyLinks;
        case EFBIG:
            return Errc::kTooBig;
        case EOPNOTSUPP:
            return Errc::kUnsupported;
        case EBUSY:
            return Errc::kBusy;
        case ELOOP:
            return Errc::kLoop;
        case ENOMEM:
            return Errc::kNoMemory;
        case EINTR:
            return Errc::kCancelled;
        case ETIMEDOUT:
            return Errc::kTimeout;
        case EBADF:
            return Errc::kBadHandle;
        default:
            return Errc::kIo;
    }
}

}  // namespace

Error Error::from_errno(int error_number, std::string_view what) {
    return {code_of(error_number),
            fmt::format("{}: {}", what, std::generic_category().message(error_number))};
}

Error Error::with(std::string_view context) && {
    return {code_, fmt::format("{}: {}", context, message_)};
}

}  // namespace reelfs
