// Memory for bodies on their way out. A response holds a Window for the bytes it sends next: pinned
// plaintext, counted. All windows together stay within one bound, whatever the number of
// connections. Who finds no room waits in line (nobody fails for lack of it), and may not hold
// another window while waiting.
//
// Threads: all functions are thread-safe. Callbacks run outside the lock, on the thread that gave
// the memory back. Windows must not outlive the budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include "reelfs/base/mutex.h"
#include "reelfs/base/pins.h"

namespace reelfs::http {

class WindowBudget;

/// Bytes that count against the budget until it is dropped. Move-only.
class Window {
  public:
    Window() = default;
    Window(Window&& other) noexcept;
    Window& operator=(Window&& other) noexcept;
    ~Window() { reset(); }

    explicit operator bool() const { return budget_ != nullptr; }
    /// What it was taken for, and what `pins` holds once it has been filled.
    std::size_t size() const { return size_; }
    Pins pins;
    void reset();

  private:
    friend class WindowBudget;
    Window(WindowBudget* budget, std::size_t size) : budget_(budget), size_(size) {}

    WindowBudget* budget_ = nullptr;
    std::size_t size_ = 0;
};

class WindowBudget {
  public:
    explicit WindowBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    using Grant = std::function<void(Window)>;

    /// Nothing when there is no room now, or others wait.
    Window try_take(std::size_t bytes) EXCLUDES(mutex_);
    /// Calls `granted` once: at once or when its turn has come; with no window after close().
    void take(std::size_t bytes, Grant granted) EXCLUDES(mutex_);
    /// Whether somebody waits: a hint that a window not in use would be welcome.
    bool contended() const EXCLUDES(mutex_);
    std::size_t in_use() const EXCLUDES(mutex_);
    /// Ends all waiting, now and later.
    void close() EXCLUDES(mutex_);

  private:
    friend class Window;
    struct Waiter {
        std::size_t bytes;
        Grant granted;
    };
    void give_back(std::size_t bytes) EXCLUDES(mutex_);

    const std::size_t bytes_max_;
    mutable Mutex mutex_;
    std::size_t in_use_ GUARDED_BY(mutex_) = 0;
    std::deque<Waiter> waiters_ GUARDED_BY(mutex_);
    bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::http
