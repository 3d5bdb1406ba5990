// One request, one answer. A Reply is made when a callback starts; answering consumes it (the
// methods want an rvalue: std::move(reply).entry(...)), and a Reply that nobody consumed answers
// EIO when it dies. Latency, bytes and failures are recorded here and nowhere else.
//
// answer() is the guard around every callback: it throws nothing through libfuse's C.
#pragma once

#include <exception>
#include <string_view>
#include <utility>

#include "fuse/door.h"
#include "fuse/libfuse.h"
#include "fuse/operation.h"
#include "reelfs/base/bytes.h"
#include "reelfs/base/result.h"

namespace reelfs::fuse {

class Reply {
  public:
    Reply(const Door& door, Operation operation, fuse_req_t request);
    Reply(Reply&& other) noexcept;
    Reply& operator=(Reply&&) = delete;
    ~Reply();

    /// False once consumed (or moved from).
    bool pending() const { return request_ != nullptr; }
    fuse_req_t request() const { return request_; }

    void ok() &&;
    void error(const Error& error) &&;
    void error_number(int number) &&;
    void result(const Result<void>& result) &&;
    void attributes(const struct stat& attributes, double seconds) &&;
    void link_target(const std::string& target) &&;
    void read(Bytes bytes) &&;
    void bytes(Bytes bytes) &&;  // a reply whose bytes are not content
    void written(std::size_t bytes) &&;
    void offset(std::uint64_t offset) &&;
    void xattr_size(std::size_t bytes) &&;
    void space(const struct statvfs& space) &&;

    // The next ones tell whether the kernel still wanted the answer. If not (the caller was
    // interrupted) neither FORGET nor RELEASE will come: what was counted for it is the callback's
    // to take back.
    [[nodiscard]] bool entry(const fuse_entry_param& entry) &&;
    [[nodiscard]] bool listing(Bytes bytes) &&;
    [[nodiscard]] bool opened(const fuse_file_info& file) &&;
    [[nodiscard]] bool created(const fuse_entry_param& entry, const fuse_file_info& file) &&;

  private:
    fuse_req_t consume(std::uint64_t bytes, bool succeeded);

    const Door& door_;
    Operation operation_;
    fuse_req_t request_;
    std::int64_t started_ns_;
};

/// Logs without ever throwing.
void log_failure(Operation operation, std::string_view what) noexcept;

/// Runs `body(door, reply)` for `request`. What it throws is logged and answered with EIO.
template <class Body>
void answer(fuse_req_t request, Operation operation, Body&& body) noexcept {
    Door& door = door_of(request);
    Reply reply(door, operation, request);
    try {
        body(door, reply);
        return;
    } catch (const std::exception& thrown) {
        log_failure(operation, thrown.what());
    } catch (...) {
        log_failure(operation, "an exception of unknown type");
    }
    if (reply.pending()) std::move(reply).error_number(EIO);
}

}  // namespace reelfs::fuse
