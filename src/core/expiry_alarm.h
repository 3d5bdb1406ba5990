// When something expires next, and what else waits for the expiry thread: the side of it that
// transactions and doors touch. See expirer.h for the thread.
//
// Thread-safe; nothing here blocks but what the thread itself calls. A leaf lock: it may be taken
// inside a catalog transaction.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/mutex.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

class ExpiryAlarm {
  public:
    explicit ExpiryAlarm(const Clock& clock) : clock_(clock) {}

    /// Whether anything may be under an expiry at all: false spares every other question.
    bool any() const { return any_.load(std::memory_order_acquire); }
    /// Something is due then. Called before or after its commit: who is woken too early finds
    /// nothing and asks the catalog for the next.
    void set(Timestamp due) EXCLUDES(mutex_) {
        any_.store(true, std::memory_order_release);
        MutexLock lock(mutex_);
        if (due_ && *due_ <= due) return;
        due_ = due;
        wake_.notify_all();
    }
    /// A name came under an expiry that whoever cached it does not know of.
    struct Name {
        NodeId folder;
        std::string name;
    };
    void tell(NodeId folder, std::string_view name) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        names_.push_back({folder, std::string(name)});
        wake_.notify_all();
    }
    /// Objects of a container are to be looked at.
    void ask_for_walk() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        walk_ = true;
        wake_.notify_all();
    }
    void stop() EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
        stopped_.notify_all();
    }

    // The thread's
    struct Call {
        bool stop = false;
        bool due = false;
        bool walk = false;
        std::vector<Name> names;
    };
    /// What there is to do; `wait`: sleeps until there is something.
    enum class Patience { kWait, kLook };
    Call next(Patience patience) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        while (true) {
            Call call;
            call.stop = stopping_;
            call.due = due_ && *due_ <= clock_.now();
            call.walk = std::exchange(walk_, false);
            call.names = std::exchange(names_, {});
            if (call.due) due_.reset();  // the thread sets the next one
            if (patience == Patience::kLook || call.stop || call.due || call.walk ||
                !call.names.empty())
                return call;
            if (!due_) {
                wake_.wait(mutex_);
            } else {
                // The wall clock may be set meanwhile: never trust it for long.
                const std::chrono::nanoseconds left(due_->ns - clock_.now().ns);
                wake_.wait_for(mutex_, std::clamp<std::chrono::nanoseconds>(
                                           left, std::chrono::milliseconds(1), kLookAgain));
            }
        }
    }
    /// Lets others have the catalog for so long. False: stop.
    bool pause(std::chrono::nanoseconds time) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        if (!stopping_) stopped_.wait_for(mutex_, time);
        return !stopping_;
    }

  private:
    static constexpr std::chrono::milliseconds kLookAgain{250};

    const Clock& clock_;
    std::atomic<bool> any_{false};
    Mutex mutex_;
    CondVar wake_;
    CondVar stopped_;
    std::optional<Timestamp> due_ GUARDED_BY(mutex_);
    std::vector<Name> names_ GUARDED_BY(mutex_);
    bool walk_ GUARDED_BY(mutex_) = false;
    bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::core
