// A GET that waits for what it asks for: a playlist until it has the segment or part named by
// _HLS_msn and _HLS_part (RFC 8216bis, blocking playlist reload), or, where a delivery rule says
// so, an object until it is there. What is asked for is looked at again whenever its name leads
// elsewhere or its last writer has gone, never in between: a playlist that is half written is not
// read.
//
// Threads: made and consumed by a connection, which waits while look() runs on a pool thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "http/hls_playlist.h"
#include "http/object_request.h"

namespace reelfs::http {

/// What the query asks a playlist of this name for; nothing when it does not. kInvalid: not to be
/// answered but by 400.
Result<std::optional<HlsPosition>> asked_position(std::string_view file_name,
                                                  std::string_view query);

class HeldRequest {
  public:
    HeldRequest(ServerState& state, const RequestHead& head, ObjectRequest& object,
                std::optional<HlsPosition> position)
        : state_(state), head_(head), object_(object), position_(position) {}

    /// One look. `wake` is called once, when another may find more. May block.
    void look(std::function<void()> wake);
    /// The same from memory, never blocking: false says nothing.
    bool look_cached();

    /// object.response is the answer.
    bool settled() const { return settled_; }
    /// How long to wait for it, from the request's arrival.
    std::int64_t hold_ms() const { return hold_ms_; }
    /// Nobody waits any more.
    void stop() {
        growth_.reset();
        growing_.reset();
        token_.reset();
    }

  private:
    using Reader = std::shared_ptr<core::ObjectReader>;
    void look_at_playlist(Reader reader);
    void look_at_object(Reader reader, const std::function<void()>& wake);
    void settle(Reader reader);
    void settle(Response response);

    ServerState& state_;
    const RequestHead& head_;
    ObjectRequest& object_;
    const std::optional<HlsPosition> position_;
    bool settled_ = false;
    std::int64_t hold_ms_ = 0;
    std::shared_ptr<void> token_;   // of the name
    Reader growing_;                // keeps `growth_` alive
    std::shared_ptr<void> growth_;  // of a growing file's length
};

}  // namespace reelfs::http
