// What can go wrong, in few words. An Error is a code that callers act on, and a sentence for a
// person that says what was attempted and, where known, what to do. Expected absence is an
// optional, not an Error.
//
// Translation to errno and to HTTP status happens once each: fuse/errno.h and http/status.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace reelfs {

enum class Errc : std::uint8_t {
    kNotFound,      // ENOENT
    kExists,        // EEXIST
    kNotDirectory,  // ENOTDIR
    kIsDirectory,   // EISDIR
    kNotEmpty,      // ENOTEMPTY
    kNotPermitted,  // EPERM: not possible here whoever asks (a file at the root)
    kAccessDenied,  // EACCES: not allowed to this caller
    kInvalid,       // EINVAL: a bad argument
    kNameTooLong,   // ENAMETOOLONG
    kNoSpace,       // ENOSPC: the volume is full
    kQuota,         // EDQUOT
    kReadOnly,      // EROFS
    kCrossDevice,   // EXDEV
    kTooManyLinks,  // EMLINK
    kTooBig,        // EFBIG: offset or length beyond what a file may have
    kValueTooBig,   // E2BIG: an xattr value beyond its limit
    kRange,         // ERANGE: the caller's buffer is too small
    kUnsupported,   // EOPNOTSUPP
    kNoAttribute,   // ENODATA
    kNoData,        // ENXIO: SEEK_DATA/SEEK_HOLE beyond the end
    kBusy,          // EBUSY
    kLoop,          // ELOOP
    kStale,         // ESTALE: the node is gone
    kNoMemory,      // ENOMEM
    kCancelled,     // EINTR, or the process is stopping
    kTimeout,       // ETIMEDOUT
    kBadHandle,     // EBADF
    kIo,            // EIO: the device failed
    kCorrupt,       // EIO: bytes on disk fail authentication, or contradict each other
    kWrongKey,      // the key given does not open this store
    kNewerFormat,   // written by a newer version of reelfs
};

/// The code's name as it stands in logs, e.g. "no_space".
std::string_view name_of(Errc code);

class [[nodiscard]] Error {
  public:
    Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}

    /// From an errno value; the message becomes "<what>: <strerror>".
    static Error from_errno(int error_number, std::string_view what);

    Errc code() const { return code_; }
    const std::string& message() const { return message_; }

    /// The same error with what was attempted put in front: "open container 7: <message>".
    Error with(std::string_view context) &&;

  private:
    Errc code_;
    std::string message_;
};

}  // namespace reelfs
