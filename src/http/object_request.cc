#include "http/object_request.h"

#include <algorithm>
#include <utility>

#include "http/object_response.h"
#include "http/target.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

std::string asked_path(const Route& route) {
    Components all = route.path;
    all.insert(all.begin(), route.container);
    return path_text(all);
}

Response failed(const Error& error, const Route& route) {
    Response response = error_response(fault_of(error.code(), asked_path(route)));
    if (response.status >= 500) log::error("http: {}", error.message());
    return response;
}

/// Nothing when there is no body to start, or no room: the connection then waits for room.
Result<Window> read_first(ServerState& state, core::ObjectReader& reader,
                          const Response& response) {
    if (response.head_only || response.parts.empty()) return Window();
    const BodyPart& part = response.parts.front();
    const auto bytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(part.length, state.limits.window_bytes));
    Window window = state.budget.try_take(bytes);
    if (!window) return Window();
    RF_TRY(const std::size_t n, reader.read(part.offset, window.span()));
    if (n < bytes) return Error(Errc::kIo, "an object is shorter than its attributes say");
    return window;
}

/// Letting go of a reader may reap a file that was removed meanwhile: a transaction, so it is done
/// here when the body is short and read already (a playlist; what the socket takes at once).
bool needs_reader(const Response& response, const Window& first) {
    if (response.follow_from) return true;
    if (response.parts.empty()) return false;
    return response.parts.size() > 1 || first.span().size() < response.parts.front().length ||
           first.span().size() > limits::http_resumed_window_bytes;
}

}  // namespace

void ObjectRequest::run(ServerState& state, const RequestHead& head) {
    auto opened = state.tree.open_object(peer, route.container, route.path);
    if (!opened) {
        response = failed(opened.error(), route);
        response.head_only = head.method == "HEAD";
        return;
    }
    core::ObjectReader& object = **opened;
    const core::ObjectReader::State now = object.state();
    ObjectFacts facts{.name = route.path.back(),
                      .mime_type = object.mime_type(),
                      .etag = "",
                      .modified = object.attributes().modified,
                      .size = now.size,
                      .growing = now.growing};
    if (!now.growing && !object.etag().none()) facts.etag = object.etag().hex();
    response = respond_with_object(head, facts, state.clock.now());
    auto window = read_first(state, object, response);
    if (!window) {
        response = failed(window.error(), route);
        return;
    }
    first = std::move(window).value();
    if (!response.head_only && needs_reader(response, first)) reader = std::move(opened).value();
}

}  // namespace reelfs::http
