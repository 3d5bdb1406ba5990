// What is agreed with the kernel at INIT, and the descriptor calls through which the agreement is
// completed (init_patch.h).
#pragma once

#include <string>
#include <string_view>

#include "fuse/libfuse.h"

namespace reelfs::fuse {

/// libfuse's `init` callback.
void configure_connection(void* door, fuse_conn_info* connection) noexcept;

/// Puts reading and writing of the session's device through functions of ours, which complete INIT
/// and keep workers from being cancelled at the wrong moment. False when libfuse refused.
bool install_device_calls(fuse_session* session);

/// What libfuse is told when read(2) on the device failed. ECONNABORTED, which the kernel says when
/// the mount goes away while a request is being copied, is the end of the mount like ENODEV.
int device_read_error(int error_number);

/// Sends libfuse's messages to the log for good, and this thread's into the object while it lives.
class LibfuseMessages {
  public:
    LibfuseMessages();
    ~LibfuseMessages();
    LibfuseMessages(const LibfuseMessages&) = delete;
    LibfuseMessages& operator=(const LibfuseMessages&) = delete;

    /// The messages so far on one line, or `otherwise` when there were none.
    std::string text_or(std::string_view otherwise) const;

  private:
    std::string text_;
};

}  // namespace reelfs::fuse
