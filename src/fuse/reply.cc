#include "fuse/reply.h"

#include <cerrno>

#include "fuse/errno.h"
#include "reelfs/base/log.h"

namespace reelfs::fuse {
namespace {

/// Failures of the service, as metrics count them. That a name is absent or a caller mistaken is an
/// answer, not a failure.
bool is_fault(int number) {
    switch (number) {
        case EIO:
        case ENOSPC:
        case EDQUOT:
        case ENOMEM:
        case ENFILE:
        case ETIMEDOUT:
            return true;
        default:
            return false;
    }
}

}  // namespace

void log_failure(Operation operation, std::string_view what) noexcept {
    try {
        log::error("mount: {}: {}", name_of(operation), what);
    } catch (...) {  // no memory for the line: the EIO that follows has to do
    }
}

Reply::Reply(const Door& door, Operation operation, fuse_req_t request)
    : door_(door),
      operation_(operation),
      request_(request),
      started_ns_(door.clock.monotonic_ns()) {}

Reply::Reply(Reply&& other) noexcept
    : door_(other.door_),
      operation_(other.operation_),
      request_(std::exchange(other.request_, nullptr)),
      started_ns_(other.started_ns_) {}

Reply::~Reply() {
    if (!pending()) return;
    log_failure(operation_, "left unanswered; this is a bug");
    std::move(*this).error_number(EIO);
}

fuse_req_t Reply::consume(std::uint64_t bytes, bool succeeded) {
    door_.meters.of(operation_).record(door_.clock.monotonic_ns() - started_ns_, bytes, succeeded);
    return std::exchange(request_, nullptr);
}

void Reply::ok() && {
    fuse_reply_err(consume(0, true), 0);
}

void Reply::error(const Error& error) && {
    int number = errno_of(error.code());
    // What a person must look into; everything else is an answer like any other.
    if (number == EIO) log_failure(operation_, error.message());
    std::move(*this).error_number(number);
}

void Reply::error_number(int number) && {
    fuse_reply_err(consume(0, !is_fault(number)), number);
}

void Reply::result(const Result<void>& result) && {
    if (!result) return std::move(*this).error(result.error());
    std::move(*this).ok();
}

bool Reply::entry(const fuse_entry_param& entry) && {
    return fuse_reply_entry(consume(0, true), &entry) == 0;
}

void Reply::attributes(const struct stat& attributes, double seconds) && {
    fuse_reply_attr(consume(0, true), &attributes, seconds);
}

void Reply::link_target(const std::string& target) && {
    fuse_reply_readlink(consume(0, true), target.c_str());
}

void Reply::read(Bytes bytes) && {
    fuse_reply_buf(consume(bytes.size(), true), reinterpret_cast<const char*>(bytes.data()),
                   bytes.size());
}

void Reply::bytes(Bytes bytes) && {
    fuse_reply_buf(consume(0, true), reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool Reply::listing(Bytes bytes) && {
    return fuse_reply_buf(consume(0, true), reinterpret_cast<const char*>(bytes.data()),
                          bytes.size()) == 0;
}

void Reply::written(std::size_t bytes) && {
    fuse_reply_write(consume(bytes, true), bytes);
}

void Reply::offset(std::uint64_t offset) && {
    fuse_reply_lseek(consume(0, true), static_cast<off_t>(offset));
}

void Reply::xattr_size(std::size_t bytes) && {
    fuse_reply_xattr(consume(0, true), bytes);
}

void Reply::space(const struct statvfs& space) && {
    fuse_reply_statfs(consume(0, true), &space);
}

bool Reply::opened(const fuse_file_info& file) && {
    return fuse_reply_open(consume(0, true), &file) != -ENOENT;
}

bool Reply::created(const fuse_entry_param& entry, const fuse_file_info& file) && {
    return fuse_reply_create(consume(0, true), &entry, &file) != -ENOENT;
}

}  // namespace reelfs::fuse
