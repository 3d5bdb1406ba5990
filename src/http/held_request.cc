#include "http/held_request.h"

#include <algorithm>
#include <string>
#include <utility>

#include "http/mime.h"
#include "http/query.h"
#include "http/text.h"
#include "reelfs/model/limits.h"

namespace reelfs::http {

namespace {

std::string joined(const Pins& pins) {
    std::string text;
    for (const PinnedBytes& pin : pins) text.append(text_of(pin.bytes));
    return text;
}

Result<std::optional<std::uint64_t>> number_of(std::string_view query, std::string_view name) {
    RF_TRY(const auto text, query_value(query, name));
    if (!text) return std::optional<std::uint64_t>();
    const auto number = parse_decimal(*text);
    if (!number) return Error(Errc::kInvalid, std::string(name) + " is no decimal number");
    return number;
}

}  // namespace

Result<std::optional<HlsPosition>> asked_position(std::string_view file_name,
                                                  std::string_view query) {
    const bool asks = query.find("_HLS_") != std::string_view::npos;
    if (!asks || !is_hls_playlist(file_name)) return std::optional<HlsPosition>();
    RF_TRY(const auto segment, number_of(query, "_HLS_msn"));
    RF_TRY(const auto part, number_of(query, "_HLS_part"));
    if (part && !segment) return Error(Errc::kInvalid, "_HLS_part is asked for without _HLS_msn");
    if (!segment) return std::optional<HlsPosition>();
    return std::optional<HlsPosition>(HlsPosition{*segment, part});
}

void HeldRequest::look(std::function<void()> wake) {
    stop();
    auto watched =
        state_.tree.watch_object(object_.access, object_.route.container, object_.route.path, wake);
    token_ = std::move(watched.token);
    if (watched.opened) {
        if (position_)
            look_at_playlist(*std::move(watched.opened));
        else
            look_at_object(*std::move(watched.opened), wake);
        return;
    }
    object_.fail(state_, head_, watched.opened.error());
    hold_ms_ = object_.hold_ms;
    settled_ = hold_ms_ == 0;
}

bool HeldRequest::look_cached() {
    auto reader =
        state_.tree.open_object_cached(object_.access, object_.route.container, object_.route.path);
    if (reader == nullptr) return false;
    if (!position_) {
        settle(std::move(reader));
        settled_ = object_.hold_ms == 0;
        return settled_;
    }
    const core::ObjectReader::State now = reader->state();
    if (reader->being_written() || now.growing || now.size > limits::http_playlist_bytes_max)
        return false;
    Pins pins;
    if (!reader->read_cached(0, static_cast<std::size_t>(now.size), pins)) return false;
    const auto playlist = read_hls_playlist(joined(pins));
    if (!playlist || progress_of(*playlist, *position_) != HlsProgress::kReached) return false;
    settle(std::move(reader));
    return true;
}

void HeldRequest::look_at_playlist(Reader reader) {
    const core::ObjectReader::State now = reader->state();
    // While it is written, how long its segments are is not known.
    if (reader->being_written() || now.growing) {
        if (hold_ms_ == 0) hold_ms_ = state_.limits.playlist_hold_ms_max;
        return;
    }
    if (now.size > limits::http_playlist_bytes_max) return settle(std::move(reader));
    Pins pins;
    if (auto read = reader->read(0, static_cast<std::size_t>(now.size), pins); !read) {
        object_.fail(state_, head_, read.error());
        settled_ = true;
        return;
    }
    const auto playlist = read_hls_playlist(joined(pins));
    if (!playlist) return settle(std::move(reader));
    switch (progress_of(*playlist, *position_)) {
        case HlsProgress::kReached:
            return settle(std::move(reader));
        case HlsProgress::kTooFar:
            return settle(error_response(
                400, "_HLS_msn or _HLS_part is too far ahead of what the playlist has"));
        case HlsProgress::kToCome:
            hold_ms_ = std::min(hold_ms_of(*playlist), state_.limits.playlist_hold_ms_max);
            return;
    }
}

/// The object is there. A range that begins behind what a growing one has so far may wait for it,
/// too.
void HeldRequest::look_at_object(Reader reader, const std::function<void()>& wake) {
    const std::uint64_t size = reader->state().size;
    settle(reader);
    hold_ms_ = object_.hold_ms;
    if (hold_ms_ == 0) return;
    settled_ = false;
    growth_ = reader->wait_beyond(size, wake);
    growing_ = std::move(reader);
}

void HeldRequest::settle(Reader reader) {
    object_.plan(state_, head_, std::move(reader));
    settled_ = true;
}

void HeldRequest::settle(Response response) {
    object_.response = std::move(response);
    settled_ = true;
}

}  // namespace reelfs::http
