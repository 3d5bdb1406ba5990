#include "app/exit_code.h"

#include <fmt/format.h>

#include <cstdio>

namespace reelfs::app {

Exit exit_of(Errc code) {
    switch (code) {
        case Errc::kInvalid:
        case Errc::kNameTooLong:
            return Exit::kUsage;
        case Errc::kWrongKey:
            return Exit::kWrongKey;
        case Errc::kBusy:
        case Errc::kNotEmpty:
            return Exit::kBusy;
        case Errc::kNotFound:
        case Errc::kStale:
            return Exit::kNotFound;
        case Errc::kCorrupt:
            return Exit::kDamaged;
        case Errc::kNewerFormat:
            return Exit::kNewerFormat;
        case Errc::kExists:
            return Exit::kExists;
        case Errc::kNotDirectory:
        case Errc::kIsDirectory:
        case Errc::kNotPermitted:
        case Errc::kAccessDenied:
        case Errc::kNoSpace:
        case Errc::kQuota:
        case Errc::kReadOnly:
        case Errc::kCrossDevice:
        case Errc::kTooManyLinks:
        case Errc::kTooBig:
        case Errc::kValueTooBig:
        case Errc::kRange:
        case Errc::kUnsupported:
        case Errc::kNoAttribute:
        case Errc::kNoData:
        case Errc::kLoop:
        case Errc::kNoMemory:
        case Errc::kCancelled:
        case Errc::kTimeout:
        case Errc::kBadHandle:
        case Errc::kIo:
            return Exit::kFailed;
    }
    return Exit::kFailed;
}

Exit fail(const Error& error) {
    fmt::print(stderr, "reelfs: {}\n", error.message());
    return exit_of(error.code());
}

}  // namespace reelfs::app
