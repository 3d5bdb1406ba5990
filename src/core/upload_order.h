// Who may publish next in a folder: see upload.h for the rule. A complete upload waits for those
// with older tickets that are complete too, and for those that are not and have work to do, unless
// readers see them as they grow. A deletion is complete from the start. The second kind of waiting
// is bounded: by limits::upload_quiet_ms once the other waits for its peer, by
// limits::upload_patience_ms in all. What counts is whom the other waits for, not when we last got
// to it: on a busy machine bytes that are here may lie for a while.
//
// A ticket is waited for from the moment it is drawn: its upload may be on its way to enter(). What
// folder it is for is not known then, so that such waiting is for any, and bounded alike.
//
// Thread-safe. `wake` functions are called outside the lock. Times are the monotonic clock's.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/core/upload.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

/// "a/b/" of {"a", "b"}.
std::string joined(std::span<const std::string> names);

class UploadOrder {
  public:
    struct Folder {
        ContainerId container;
        std::string path;
        auto operator<=>(const Folder&) const = default;
    };
    /// The folder of an object at `path`, which is not empty.
    static Folder folder_of(ContainerId container, std::span<const std::string> path);

    /// Drawn; and again when its request has been read, or nothing has come.
    void expect(std::uint64_t ticket, std::int64_t until_ns) EXCLUDES(mutex_);
    /// No upload comes with it, or it has entered.
    void drop(std::uint64_t ticket) EXCLUDES(mutex_);
    void enter(const Folder& folder, std::uint64_t ticket, bool streaming) EXCLUDES(mutex_);
    /// Published, or given up.
    void leave(const Folder& folder, std::uint64_t ticket) EXCLUDES(mutex_);
    /// It has nothing to do until its peer sends more; and the peer has.
    void waits(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns) EXCLUDES(mutex_);
    void goes_on(const Folder& folder, std::uint64_t ticket) EXCLUDES(mutex_);
    void completed(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns)
        EXCLUDES(mutex_);
    Upload::Turn turn(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns,
                      std::function<void()> wake) EXCLUDES(mutex_);

  private:
    struct Place {
        bool streaming = false;
        bool complete = false;
        std::int64_t waits_since_ns = INT64_MAX;  // for its peer
        std::int64_t completed_ns = 0;
        std::function<void()> wake;
    };
    using Line = std::map<std::uint64_t, Place>;  // by ticket
    static void take_wakes(Line& line, std::vector<std::function<void()>>& wakes);

    Mutex mutex_;
    std::map<Folder, Line> lines_ GUARDED_BY(mutex_);
    std::map<std::uint64_t, std::int64_t> expected_ GUARDED_BY(mutex_);  // until when
    bool waiting_for_expected_ GUARDED_BY(mutex_) = false;               // somebody may be
};

}  // namespace reelfs::core
