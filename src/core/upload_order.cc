#include "core/upload_order.h"

#include <algorithm>
#include <utility>

#include "reelfs/base/clock.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {
constexpr std::int64_t kQuietNs = limits::upload_quiet_ms * kNsPerMs;
constexpr std::int64_t kPatienceNs = limits::upload_patience_ms * kNsPerMs;
}  // namespace

std::string joined(std::span<const std::string> names) {
    std::string path;
    for (const std::string& name : names) path.append(name).push_back('/');
    return path;
}

UploadOrder::Folder UploadOrder::folder_of(ContainerId container,
                                           std::span<const std::string> path) {
    return {container, joined(path.first(path.size() - 1))};
}

void UploadOrder::take_wakes(Line& line, std::vector<std::function<void()>>& wakes) {
    for (auto& [ticket, place] : line)
        if (place.wake) wakes.push_back(std::exchange(place.wake, nullptr));
}

void UploadOrder::expect(std::uint64_t ticket, std::int64_t until_ns) {
    MutexLock lock(mutex_);
    expected_[ticket] = until_ns;
}

void UploadOrder::drop(std::uint64_t ticket) {
    std::vector<std::function<void()>> wakes;
    {
        MutexLock lock(mutex_);
        if (expected_.erase(ticket) == 0 || !std::exchange(waiting_for_expected_, false)) return;
        for (auto& [folder, line] : lines_) take_wakes(line, wakes);
    }
    for (const auto& wake : wakes) wake();
}

void UploadOrder::enter(const Folder& folder, std::uint64_t ticket, bool streaming) {
    {
        MutexLock lock(mutex_);
        Place& place = lines_[folder][ticket];
        place.streaming = streaming;
    }
    drop(ticket);
}

void UploadOrder::leave(const Folder& folder, std::uint64_t ticket) {
    std::vector<std::function<void()>> wakes;
    std::function<void()> own;  // destroyed after the lock
    {
        MutexLock lock(mutex_);
        auto line = lines_.find(folder);
        if (line == lines_.end()) return;
        auto place = line->second.find(ticket);
        if (place == line->second.end()) return;
        own = std::move(place->second.wake);
        line->second.erase(place);
        take_wakes(line->second, wakes);
        if (line->second.empty()) lines_.erase(line);
    }
    for (const auto& wake : wakes) wake();
}

void UploadOrder::waits(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns) {
    MutexLock lock(mutex_);
    lines_[folder][ticket].waits_since_ns = now_ns;
}

void UploadOrder::goes_on(const Folder& folder, std::uint64_t ticket) {
    MutexLock lock(mutex_);
    lines_[folder][ticket].waits_since_ns = INT64_MAX;
}

void UploadOrder::completed(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns) {
    MutexLock lock(mutex_);
    Place& place = lines_[folder][ticket];
    place.complete = true;
    place.completed_ns = now_ns;
}

Upload::Turn UploadOrder::turn(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns,
                               std::function<void()> wake) {
    MutexLock lock(mutex_);
    Line& line = lines_[folder];
    Place& own = line[ticket];
    const std::int64_t patience_ends = own.completed_ns + kPatienceNs;
    bool wait = false;
    std::int64_t until = INT64_MAX;
    for (const auto& [other, place] : line) {
        if (other >= ticket) break;
        if (place.complete) {
            wait = true;
            continue;
        }
        std::int64_t ends = patience_ends;
        if (place.waits_since_ns != INT64_MAX)
            ends = std::min(ends, place.waits_since_ns + kQuietNs);
        if (place.streaming || now_ns >= ends) continue;
        wait = true;
        until = std::min(until, ends);
    }
    for (const auto& [other, ends] : expected_) {
        if (other >= ticket) break;
        if (now_ns >= std::min(ends, patience_ends)) continue;
        wait = waiting_for_expected_ = true;
        until = std::min({until, ends, patience_ends});
    }
    if (!wait) return {.now = true, .ask_again_ms = 0};
    own.wake = std::move(wake);
    // A complete one publishes soon and wakes us; asking again is for the others.
    const std::int64_t left = until == INT64_MAX ? kPatienceNs : until - now_ns;
    return {.now = false, .ask_again_ms = left / kNsPerMs + 1};
}

}  // namespace reelfs::core
