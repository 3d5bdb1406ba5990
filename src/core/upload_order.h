// Who may publish next in a folder: see upload.h for the rule. A complete upload waits for those
// with older tickets that are complete too, and for those whose bytes were coming in a moment ago,
// unless readers see them as they grow. The second kind of waiting is bounded: by
// limits::upload_quiet_ms after the other's last byte, by limits::upload_patience_ms in all.
//
// Thread-safe. `wake` functions are called outside the lock. Times are the monotonic clock's.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "reelfs/base/mutex.h"
#include "reelfs/core/upload.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

class UploadOrder {
  public:
    struct Folder {
        ContainerId container;
        std::string path;
        auto operator<=>(const Folder&) const = default;
    };

    void enter(const Folder& folder, std::uint64_t ticket, bool streaming, std::int64_t now_ns)
        EXCLUDES(mutex_);
    /// Published, or given up.
    void leave(const Folder& folder, std::uint64_t ticket) EXCLUDES(mutex_);
    /// Bytes of it came in.
    void advanced(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns) EXCLUDES(mutex_);
    void completed(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns)
        EXCLUDES(mutex_);
    Upload::Turn turn(const Folder& folder, std::uint64_t ticket, std::int64_t now_ns,
                      std::function<void()> wake) EXCLUDES(mutex_);

  private:
    struct Place {
        bool streaming = false;
        bool complete = false;
        std::int64_t advanced_ns = 0;
        std::int64_t completed_ns = 0;
        std::function<void()> wake;
    };
    using Line = std::map<std::uint64_t, Place>;  // by ticket
    static std::vector<std::function<void()>> take_wakes(Line& line);

    Mutex mutex_;
    std::map<Folder, Line> lines_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
