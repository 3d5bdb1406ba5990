// Memory for bodies on their way out. A response holds a Window for the bytes it sends next; all
// windows together stay within one bound, whatever the number of connections. Who finds none waits
// in line (nobody fails for lack of one), and may not hold another while waiting.
//
// Threads: all functions are thread-safe. Callbacks run outside the lock, on the thread that gave
// the memory back. Windows must not outlive the budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/mutex.h"

namespace reelfs::http {

class WindowBudget;

/// A buffer that counts against the budget until it is dropped. Move-only.
class Window {
  public:
    Window() = default;
    Window(Window&& other) noexcept;
    Window& operator=(Window&& other) noexcept;
    ~Window() { reset(); }

    explicit operator bool() const { return budget_ != nullptr; }
    MutableBytes span() { return buffer_.span().first(size_); }
    Bytes span() const { return buffer_.span().first(size_); }
    /// Forgets the tail; what is counted stays.
    void shrink(std::size_t size) { size_ = size; }
    void reset();

  private:
    friend class WindowBudget;
    Window(WindowBudget* budget, Buffer buffer, std::size_t size)
        : budget_(budget), buffer_(std::move(buffer)), size_(size) {}

    WindowBudget* budget_ = nullptr;
    Buffer buffer_;
    std::size_t size_ = 0;
};

class WindowBudget {
  public:
    /// `window_bytes`: the largest window; `spare_max` of that size are kept for reuse.
    WindowBudget(std::size_t bytes_max, std::size_t window_bytes, std::size_t spare_max);

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
    void give_back(Buffer buffer) EXCLUDES(mutex_);
    Buffer take_spare(std::size_t bytes) REQUIRES(mutex_);

    const std::size_t bytes_max_;
    const std::size_t window_bytes_;
    const std::size_t spare_max_;
    mutable Mutex mutex_;
    std::size_t in_use_ GUARDED_BY(mutex_) = 0;
    std::deque<Waiter> waiters_ GUARDED_BY(mutex_);
    std::vector<Buffer> spare_ GUARDED_BY(mutex_);
    bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace reelfs::http
