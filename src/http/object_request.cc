#include "http/object_request.h"

#include <algorithm>
#include <utility>

#include "http/dialect.h"
#include "http/object_response.h"
#include "http/target.h"
#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

Response failed(ServerState& state, const Error& error, const Route& route) {
    if (error.code() == Errc::kNotFound) {
        // MediaStore's clients tell the two apart. Whoever learns this may look the name up.
        const auto container = state.tree.container(route.container);
        if (!container && container.error().code() == Errc::kNotFound)
            return error_response(container_not_found(route.container));
    }
    Response response = error_response(fault_of(error.code(), asked_path(route)));
    if (response.status >= 500) log::error("http: {}", error.message());
    return response;
}

/// Room for the first bytes: none when there is no body to start, or no room now. The connection
/// then waits for room.
Window first_window(ServerState& state, const Response& response) {
    if (response.head_only || response.parts.empty()) return {};
    const BodyPart& part = response.parts.front();
    return state.budget.try_take(
        static_cast<std::size_t>(std::min<std::uint64_t>(part.length, state.limits.window_bytes)));
}

}  // namespace

void ObjectRequest::plan(ServerState& state, const RequestHead& head,
                         std::shared_ptr<core::ObjectReader> opened) {
    const core::ObjectReader::State now = opened->state();
    ObjectFacts facts{.name = route.path.back(),
                      .mime_type = opened->mime_type(),
                      .cache_control = opened->cache_control(),
                      .delivery = opened->delivery(),
                      .etag = "",
                      .modified = opened->attributes().modified,
                      .size = now.size,
                      .growing = now.growing};
    if (!now.growing && !opened->etag().none()) facts.etag = opened->etag().hex();
    expires = opened->attributes().expires;
    response = respond_with_object(head, facts, state.clock.now());
    planned_ = true;
    // Behind the end of what grows: that byte may come.
    hold_ms = response.status == 416 && now.growing ? facts.delivery.hold_ms : 0;
    if (response.head_only || (response.parts.empty() && !response.follow_from)) return;
    reader = std::move(opened);
    first = first_window(state, response);
}

/// A 404 is told for how long it may be believed: beneath a live folder the object may be there in
/// a moment.
void ObjectRequest::fail(ServerState& state, const RequestHead& head, const Error& error) {
    response = failed(state, error, route);
    if (error.code() != Errc::kNotFound) return;
    const Absence absence = state.tree.absence(route.container, route.path);
    hold_ms = absence.delivery.hold_ms;
    const std::string& rule = absence.delivery.not_found_cache_control;
    if (!rule.empty())
        response.add("Cache-Control", rule);
    else if (absence.beneath_live_folder && dialect_of(head) == Dialect::kRfc9110)
        response.add("Cache-Control", kShortLived);
}

bool ObjectRequest::run_cached(ServerState& state, const RequestHead& head) {
    auto opened = state.tree.open_object_cached(access, route.container, route.path);
    if (opened == nullptr) return false;
    plan(state, head, std::move(opened));
    return read_first_cached();
}

bool ObjectRequest::read_first_cached() {
    found = !first || reader->read_cached(response.parts.front().offset, first.size(), first.pins);
    return found;
}

void ObjectRequest::run(ServerState& state, const RequestHead& head) {
    if (!planned_) {
        auto opened = state.tree.open_object(access, route.container, route.path);
        if (opened) {
            plan(state, head, std::move(opened).value());
        } else {
            fail(state, head, opened.error());
            response.head_only = head.method == "HEAD";
        }
    }
    read_first(state, head);
}

void ObjectRequest::read_first(ServerState& state, const RequestHead& head) {
    if (first) {
        auto read = reader->read(response.parts.front().offset, first.size(), first.pins);
        if (!read) {
            fail(state, head, read.error());
            first.reset();
            reader.reset();
        }
    }
    found = true;
}

}  // namespace reelfs::http
