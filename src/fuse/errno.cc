// No `default`: a new Errc that is not answered here does not compile.
#include "fuse/errno.h"

#include <cerrno>

namespace reelfs::fuse {

int errno_of(Errc code) {
    switch (code) {
        case Errc::kNotFound:
            return ENOENT;
        case Errc::kExists:
            return EEXIST;
        case Errc::kNotDirectory:
            return ENOTDIR;
        case Errc::kIsDirectory:
            return EISDIR;
        case Errc::kNotEmpty:
            return ENOTEMPTY;
        case Errc::kNotPermitted:
            return EPERM;
        case Errc::kAccessDenied:
            return EACCES;
        case Errc::kInvalid:
            return EINVAL;
        case Errc::kNameTooLong:
            return ENAMETOOLONG;
        case Errc::kNoSpace:
            return ENOSPC;
        case Errc::kQuota:
            return EDQUOT;
        case Errc::kReadOnly:
            return EROFS;
        case Errc::kCrossDevice:
            return EXDEV;
        case Errc::kTooManyLinks:
            return EMLINK;
        case Errc::kTooBig:
            return EFBIG;
        case Errc::kValueTooBig:
            return E2BIG;
        case Errc::kRange:
            return ERANGE;
        case Errc::kUnsupported:
            return EOPNOTSUPP;
        case Errc::kNoAttribute:
            return ENODATA;
        case Errc::kNoData:
            return ENXIO;
        case Errc::kBusy:
            return EBUSY;
        case Errc::kLoop:
            return ELOOP;
        case Errc::kStale:
            return ESTALE;
        case Errc::kNoMemory:
            return ENOMEM;
        case Errc::kCancelled:
            return EINTR;
        case Errc::kTimeout:
            return ETIMEDOUT;
        case Errc::kBadHandle:
            return EBADF;
        case Errc::kIo:
            return EIO;
        case Errc::kCorrupt:
            return EIO;
        case Errc::kWrongKey:
            return EIO;
        case Errc::kNewerFormat:
            return EIO;
    }
    return EIO;
}

}  // namespace reelfs::fuse
